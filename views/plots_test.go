package views

import (
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
)

func live(values ...float64) Live {
	l := Live{Viewing: viewing, Node: "one:8080", Every: 2 * time.Second, Most: 5}
	if len(values) > 0 {
		l.Plots = []Plot{{Name: "requests_per_second", Title: "Requests", Unit: "a second", Values: values}, {Name: "windows", Title: "Open windows", Values: values}}
	}
	return l
}

func several(l Live) Live {
	l.Several = true
	return l
}

func TestPlotLine(t *testing.T) {
	for want, values := range map[string][]float64{
		"600.0,98.0 ":                      {0},
		"600.0,2.0 ":                       {7},
		"450.0,98.0 600.0,50.0 ":           {0, 0.5}, // a scale of at least 1
		"300.0,98.0 450.0,2.0 600.0,50.0 ": {0, 400, 200},
		"0.0,2.0 150.0,2.0 300.0,2.0 450.0,2.0 600.0,2.0 ": {3, 3, 3, 3, 3},
	} {
		if got := (Plot{Values: values}).line(5); got != want {
			t.Errorf("%v is drawn as %q, want %q", values, got, want)
		}
	}
}

func TestPlotAmounts(t *testing.T) {
	for n, want := range map[float64]string{0: "0 ms", 0.123: "0.12 ms", 3: "3 ms", 12.34: "12.3 ms", 5.9998: "6 ms", 9.5: "9.5 ms", 1234.5: "1234 ms"} {
		if got := (Plot{Unit: "ms"}).amount(n); got != want {
			t.Errorf("%v is written as %q, want %q", n, got, want)
		}
	}
	if got := (Plot{}).amount(5); got != "5" {
		t.Errorf("without a unit: %q", got)
	}
}

// Whoever doesn't see the plots, or has no scripts, has it all in words and a link.
func TestLiveInWords(t *testing.T) {
	var html strings.Builder
	if err := LivePlots(several(live(1, 8, 2))).Render(t.Context(), &html); err != nil {
		t.Fatal(err)
	}
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(html.String()))
	if err != nil {
		t.Fatal(err)
	}
	if got := doc.Find("svg[role=img] desc#requests_per_second-desc").Text(); got != "Now 2 a second. In the last 6 seconds at most 8 a second, at least 1 a second." {
		t.Errorf("the plot says %q", got)
	}
	if doc.Find("figcaption strong").First().Text() != "2 a second" || doc.Find("#live a[href='/admin/live']").Length() != 1 {
		t.Errorf("there is no value or no link: %s", html.String())
	}
	if !strings.Contains(doc.Find("#live").Text(), "This node only: one:8080.") || strings.Contains(html.String(), "style=") {
		t.Errorf("the page is %s", html.String())
	}
}
