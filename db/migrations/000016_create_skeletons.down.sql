DROP TABLE skeletons
