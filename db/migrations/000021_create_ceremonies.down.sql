DROP TABLE ceremonies
