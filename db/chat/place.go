package chat

import (
	"context"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"parley/queries"
)

// Place is what admins set of the whole place on their pages.
type Place struct {
	Name string // what the place is called
}

const maxPlaceName = 64

// placeSetting is one setting of a Place: its name in the form and in the table, how it is read, and how it is checked.
type placeSetting struct {
	name  string
	value func(*Place) *string
	check func(f fields, field, value string) string
}

var placeSettings = []placeSetting{
	{"name", func(p *Place) *string { return &p.Name }, checkPlaceName},
}

func checkPlaceName(f fields, field, name string) string {
	name = norm.NFC.String(strings.Join(strings.Fields(name), " "))
	switch {
	case name == "" || !strings.ContainsFunc(name, visible):
		f.add(field, "Give the place a name.")
	case utf8.RuneCountInString(name) > maxPlaceName:
		f.add(field, "A place's name has at most 64 characters.")
	case strings.ContainsFunc(name, misleading):
		f.add(field, "A place's name can't hold control characters or characters that turn the direction of text.")
	}
	return name
}

func defaultPlace() Place {
	return Place{Name: "Parley"}
}

// Place gives what admins have set. What another node has set can take Options.RememberFor to be seen here.
func (s *Store) Place(ctx context.Context) (Place, error) {
	if place, ok := s.place.find(struct{}{}); ok {
		return place, nil
	}
	mark := s.place.asks()
	place, err := readPlace(ctx, s.q)
	if err == nil {
		s.place.add(struct{}{}, place, mark)
	}
	return place, fault(err, "")
}

func readPlace(ctx context.Context, q *queries.Queries) (Place, error) {
	place := defaultPlace()
	rows, err := q.ListSettings(ctx)
	for _, row := range rows {
		for _, setting := range placeSettings {
			if setting.name == row.Name {
				*setting.value(&place) = row.Value
			}
		}
	}
	return place, err
}

// PlaceEdit is what an admin changes of the place; what is nil stays.
type PlaceEdit struct{ Name *string }

func (e PlaceEdit) of(setting string) *string {
	return map[string]*string{"name": e.Name}[setting]
}

// EditPlace changes what is set, with a line in the audit log for each setting. An Invalid error names the field name,
// and then nothing was changed.
func (s *Store) EditPlace(ctx context.Context, actor Actor, e PlaceEdit) (place Place, err error) {
	if err := s.mustBeAdmin(ctx, actor); err != nil {
		return Place{}, err
	}
	wanted, f := map[string]string{}, fields{}
	for _, setting := range placeSettings {
		if value := e.of(setting.name); value != nil {
			wanted[setting.name] = setting.check(f, setting.name, *value)
		}
	}
	if err := f.err(nothingChanged); err != nil {
		return Place{}, err
	}
	err = s.asAdmin(ctx, actor, func(ctx context.Context, t adminTx) error {
		place, err = readPlace(ctx, t.q)
		if err != nil {
			return err
		}
		return t.set(ctx, &place, wanted)
	})
	s.place.forget(func(struct{}, Place) bool { return true })
	return place, fault(err, "")
}

// set writes what differs.
func (t adminTx) set(ctx context.Context, place *Place, wanted map[string]string) error {
	for _, setting := range placeSettings {
		value, given := wanted[setting.name]
		if !given || value == *setting.value(place) {
			continue
		}
		*setting.value(place) = value
		if err := t.q.PutSetting(ctx, queries.PutSettingParams{Name: setting.name, Value: value}); err != nil {
			return err
		}
		if err := record(ctx, t.q, t.at, t.actor, deed{action: AuditSetPlace, detail: setting.name + ": " + value}); err != nil {
			return err
		}
	}
	return nil
}
