package handlers

import (
	"github.com/gofiber/fiber/v2"

	"parley/views"
)

// pageAt is the address of the page of a list that the cursor leads to, "" where there is none. It keeps the named
// parameters of the request, which say what list it is.
func pageAt(c *fiber.Ctx, path, parameter, cursor string, kept ...string) string {
	if cursor == "" {
		return ""
	}
	pairs := []string{parameter, cursor}
	for _, name := range kept {
		pairs = append(pairs, name, c.Query(name))
	}
	return views.WithQuery(path, pairs...)
}

// pageAfter is pageAt for the next page of the list that the request asks for.
func pageAfter(c *fiber.Ctx, cursor string, kept ...string) string {
	return pageAt(c, c.Path(), "after", cursor, kept...)
}
