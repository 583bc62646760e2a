# Reads the output of go test -json as it comes. Writes a line for each package,
# the whole output of each test that fails, the reason of each that is skipped,
# and at the end the totals. Its status is 1 if anything has failed.

# field is the text of a member of the JSON object of the line. go test writes
# one object a line, and its members in a fixed order.
function field(name,    i, text) {
	i = index($0, "\"" name "\":\"")
	if (i == 0) return ""
	text = substr($0, i + length(name) + 4)
	if (!match(text, /^([^"\\]|\\.)*"/)) return ""
	return substr(text, 1, RLENGTH - 1)
}

# plain is a JSON string without its escapes.
function plain(s,    out, i, c, n) {
	out = ""
	while ((i = index(s, "\\")) > 0) {
		out = out substr(s, 1, i - 1)
		c = substr(s, i + 1, 1)
		n = 2
		if (c == "n") out = out "\n"
		else if (c == "t") out = out "\t"
		else if (c == "r") out = out "\r"
		else if (c == "u") {
			n = 6
			c = substr(s, i + 2, 4)
			if (c == "003c") out = out "<"
			else if (c == "003e") out = out ">"
			else if (c == "0026") out = out "&"
			else out = out "\\u" c
		}
		else out = out c
		s = substr(s, i + n)
	}
	return out s
}

!/^\{/ { print; next } # not from a test

{
	action = field("Action")
	package = field("Package")
	test = field("Test")
	key = package " " test
}

action == "build-output" { printf "%s", plain(field("Output")); next }

action == "output" { output[key] = output[key] plain(field("Output")); next }

test != "" && action == "pass" { passed++; delete output[key] }

test != "" && action == "skip" {
	skipped++
	printf "SKIP  %s\n%s", key, output[key]
	delete output[key]
}

test != "" && action == "fail" {
	failed++
	blamed[package] = 1
	printf "FAIL  %s\n%s", key, output[key]
	delete output[key]
}

test == "" && package != "" && action ~ /^(pass|fail|skip)$/ {
	if (action == "fail") {
		if (!(package in blamed)) failed++ # not a test: the build, or TestMain
		for (k in output) if (index(k, package " ") == 1) printf "%s", output[k]
	}
	if (output[key] !~ /no test files/) printf "%-5s %s %ss\n", action == "pass" ? "ok" : action, package, elapsed()
	for (k in output) if (index(k, package " ") == 1) delete output[k]
}

function elapsed(    i) {
	i = index($0, "\"Elapsed\":")
	return i ? substr($0, i + 10) + 0 : "?"
}

END {
	printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
	exit failed ? 1 : 0
}
