package main

import "testing"

// A plant that no longer fits the source is noticed here, and not only when somebody runs it.
func TestPlantsFitTheSource(t *testing.T) {
	for _, p := range plants {
		files, err := p.apply("../..")
		if err != nil {
			t.Error(err)
		}
		if len(files) == 0 || p.found == "" || p.about == "" {
			t.Errorf("the planted bug %s changes nothing, or says not what finds it", p.name)
		}
	}
}
