package todo

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExtensionName(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"":              "",
		"com.example.x": "com.example.x",
		"microsoft.graph.openTypeExtension.com.example.x":                                 "com.example.x",
		"MICROSOFT.outlookservices.opentypeextension.com.example.x":                       "com.example.x",
		"microsoft.graph.openTypeExtension.Microsoft.OutlookServices.OpenTypeExtension.x": "x",
		"microsoft.graph.openTypeExtension.":                                              "",
		"microsoft.graph.openTypeExtension":                                               "microsoft.graph.openTypeExtension",
		"x.microsoft.graph.openTypeExtension.x":                                           "x.microsoft.graph.openTypeExtension.x",
		strings.Repeat("microsoft.graph.openTypeExtension.", 100) + "x":                   "x",
	} {
		if got := ExtensionName(id); got != want {
			t.Errorf("%q is the extension %q, want %q", id, got, want)
		}
	}
}

func TestPutExtension(t *testing.T) {
	t.Parallel()
	full := make([]Extension, MaxExtensions)
	for i := range full {
		full[i] = Extension{Name: fmt.Sprint("x", i), Data: "{}"}
	}
	two := []Extension{{"a", "1"}, {"É", "2"}}
	tests := []struct {
		name   string
		of     []Extension
		put    Extension
		want   []Extension
		target string
	}{
		{"first", nil, Extension{"a", "{}"}, []Extension{{"a", "{}"}}, ""},
		{"in place of one", two, Extension{"A", "3"}, []Extension{{"É", "2"}, {"A", "3"}}, ""},
		{"beyond ASCII", two, Extension{"é", "3"}, []Extension{{"a", "1"}, {"é", "3"}}, ""},
		{"in place of one when full", full, Extension{"X0", "{}"}, append(append([]Extension{}, full[1:]...), Extension{"X0", "{}"}), ""},
		{"one too many", full, Extension{"y", "{}"}, nil, "extensions"},
		{"no name", nil, Extension{" ", "{}"}, nil, "extensionName"},
		{"longest name", nil, Extension{strings.Repeat("é", MaxCategory), ""}, []Extension{{strings.Repeat("é", MaxCategory), ""}}, ""},
		{"name too long", nil, Extension{strings.Repeat("é", MaxCategory+1), ""}, nil, "extensionName"},
		{"control character", nil, Extension{"a\u0085", ""}, nil, "extensionName"},
		{"too large", nil, Extension{"a", strings.Repeat("x", MaxExtension+1)}, nil, "extensions"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			before := append([]Extension{}, test.of...)
			got, err := PutExtension(test.of, test.put)
			e, _ := errors.AsType[*Error](err)
			if diff := cmp.Diff(test.want, got); diff != "" || (e == nil) != (test.target == "") || e != nil && e.Target != test.target {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			if diff := cmp.Diff(before, append([]Extension{}, test.of...)); diff != "" {
				t.Errorf("what was given is changed: %s", diff)
			}
		})
	}
}
