DROP TABLE invitation_uses
