DROP TABLE invitations
