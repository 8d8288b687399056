package chat

import (
	"regexp"
	"strings"
)

// A sign is what a User-Agent header has in it of one browser or system. The first that is found counts: nearly every
// browser says that it is some others too.
type sign struct {
	name string
	in   *regexp.Regexp // with the version, if there is one to tell, in its group
}

func signs(pairs ...string) (all []sign) {
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, sign{pairs[i], regexp.MustCompile(pairs[i+1])})
	}
	return all
}

var browsers = signs(
	"Edge", `\bEdg(?:e|A|iOS)?/(\d+)`,
	"Opera", `\b(?:OPR|OPT|OPX)/(\d+)`,
	"Samsung Internet", `\bSamsungBrowser/(\d+)`,
	"Vivaldi", `\bVivaldi/(\d+)`,
	"Yandex Browser", `\bYaBrowser/(\d+)`,
	"DuckDuckGo", `\b(?:DuckDuckGo|Ddg)/(\d+)`,
	"Firefox", `\b(?:Firefox|FxiOS)/(\d+)`,
	"Chromium", `\bChromium/(\d+)`,
	"Chrome", `\b(?:Headless)?(?:Chrome|CriOS)/(\d+)`,
	"Safari", `\bVersion/(\d+)[^ ]* (?:Mobile/\S+ )?Safari/`,
	"Internet Explorer", `\bTrident/`,
)

var systems = signs(
	"Android", `\bAndroid\b`,
	"iPhone", `\biPhone\b`,
	"iPad", `\biPad\b`,
	"Windows", `\bWindows\b`,
	"macOS", `\bMac OS X\b|\bMacintosh\b`,
	"ChromeOS", `\bCrOS\b`,
	"Linux", `\bLinux\b`,
	"FreeBSD", `\bFreeBSD\b`,
	"OpenBSD", `\bOpenBSD\b`,
)

func (s sign) find(text string) (name string, found bool) {
	at := s.in.FindStringSubmatch(text)
	switch {
	case at == nil:
		return "", false
	case len(at) > 1 && at[1] != "":
		return s.name + " " + at[1], true
	}
	return s.name, true
}

func firstSign(all []sign, text string) string {
	for _, s := range all {
		if name, found := s.find(text); found {
			return name
		}
	}
	return ""
}

// Browser names the browser with its version, or the program, such as curl/8.5.0. It is "" where the header says nothing.
func (d Device) Browser() string {
	if name := firstSign(browsers, d.UserAgent); name != "" {
		return name
	}
	first, _, _ := strings.Cut(strings.TrimSpace(d.UserAgent), " ")
	return truncate(first, 64)
}

// System names the operating system, "" where it isn't known.
func (d Device) System() string { return firstSign(systems, d.UserAgent) }

// String says in words what the device is.
func (d Device) String() string {
	browser, system := d.Browser(), d.System()
	switch {
	case browser == "":
		return "An unknown program"
	case system == "":
		return browser
	}
	return browser + " on " + system
}
