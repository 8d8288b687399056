DROP TABLE reports
