package chat

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"

	"parley/queries"
)

// PhotoID names somebody's photo, as it stands in addresses; "" is none. Another photo has another one.
type PhotoID string

func photoID(hash sql.NullString) PhotoID {
	return PhotoID(base64.RawURLEncoding.EncodeToString([]byte(hash.String)))
}

// Picture is a photo in its two sizes, made by Parley itself: nothing of the file that was sent is in it.
type Picture struct {
	ContentType  string // image/jpeg or image/png
	Small, Large []byte // some kilobytes each
}

// hash covers the owner too: two people with one picture have two photos, each of which goes with its owner's wish.
func (p Picture) hash(owner uint64) []byte {
	h := sha256.New()
	_, _ = h.Write(viewerKey(owner)) // a hash never fails
	_, _ = h.Write(p.Large)
	return h.Sum(nil)
}

const noSuchPhoto = "There is no such photo, or it was replaced."

// Photo finds a picture.
func (s *Store) Photo(ctx context.Context, id PhotoID) (Picture, error) {
	hash, err := base64.RawURLEncoding.DecodeString(string(id))
	if err != nil || len(hash) != sha256.Size {
		return Picture{}, notFound(noSuchPhoto)
	}
	row, err := s.q.PhotoByHash(ctx, hash)
	return Picture{row.ContentType, row.Small, row.Large}, fault(err, noSuchPhoto)
}

// SetPhoto makes the picture the actor's photo, in place of the one before.
func (s *Store) SetPhoto(ctx context.Context, actor Actor, p Picture) (User, error) {
	return s.changePhoto(ctx, actor, func(ctx context.Context, t ownTx) (sql.NullString, error) {
		hash := sql.NullString{String: string(p.hash(t.row.ID)), Valid: true}
		if hash == t.row.Photo {
			return hash, nil
		}
		err := t.q.PutPhoto(ctx, queries.PutPhotoParams{
			UserID: t.row.ID, Hash: []byte(hash.String), ContentType: p.ContentType, Small: p.Small, Large: p.Large,
		})
		if err != nil {
			return hash, err
		}
		return hash, t.log(ctx, AuditSetPhoto, "")
	})
}

// RemovePhoto leaves the actor without a photo.
func (s *Store) RemovePhoto(ctx context.Context, actor Actor) (User, error) {
	return s.changePhoto(ctx, actor, func(ctx context.Context, t ownTx) (none sql.NullString, _ error) {
		if !t.row.Photo.Valid {
			return none, nil
		}
		if err := t.q.DeletePhoto(ctx, t.row.ID); err != nil {
			return none, err
		}
		return none, t.log(ctx, AuditRemovePhoto, "")
	})
}

func (s *Store) changePhoto(ctx context.Context, actor Actor, change func(context.Context, ownTx) (sql.NullString, error)) (user User, _ error) {
	err := s.asSelf(ctx, actor, func(ctx context.Context, t ownTx) error {
		hash, err := change(ctx, t)
		if err != nil {
			return err
		}
		t.row.Photo = hash
		user = userOf(t.row)
		return t.q.SetUserPhoto(ctx, queries.SetUserPhotoParams{Photo: hash, ID: t.row.ID})
	})
	if err == nil {
		s.forgetUser(user.ID)
	}
	return user, err
}
