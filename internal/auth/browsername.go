package auth

import "strings"

// browserName is what people call the browser of a User-Agent, such as "Firefox
// on Linux", so that they know their sessions again; the User-Agent itself,
// clipped, when it is none that is known.
func browserName(userAgent string) string {
	browser := firstNamed(userAgent, [][2]string{ // most claim to be those further down as well
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"},
		{"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"},
	})
	system := firstNamed(userAgent, [][2]string{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"CrOS", "ChromeOS"}, {"Mac OS X", "macOS"}, {"Linux", "Linux"},
	})
	switch {
	case browser == "":
		return clip(userAgent)
	case system == "":
		return browser
	}
	return browser + " on " + system
}

// firstNamed is the name of the first mark that s holds.
func firstNamed(s string, marks [][2]string) string {
	for _, m := range marks {
		if strings.Contains(s, m[0]) {
			return m[1]
		}
	}
	return ""
}
