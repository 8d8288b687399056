DROP TABLE photos
