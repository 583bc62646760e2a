package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// configPath is the file that --config names.
type configPath string

// variablePrefix begins the name of every variable that is a setting.
const variablePrefix = "DULY_"

// isSetting says whether a flag may also stand in the environment and in the
// configuration file.
func isSetting(v *kong.Value) bool { return v.Flag != nil && v.Tag.Has("setting") }

// variable is the name of a flag in the environment.
func variable(flag string) string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// A sourceError is a mistake in a setting that does not come from the command
// line. Its text says where the setting stands.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

func sourceErrorf(format string, args ...any) error {
	return &sourceError{fmt.Errorf(format, args...)}
}

// settings gives the flags that the command line does not set the values of the
// environment or else of the configuration file. A variable that is empty
// counts as not set.
type settings struct {
	lookup func(name string) (string, bool) // of the environment
	read   bool
	path   string         // of the configuration file
	file   map[string]any // its content; nil without a file
}

// Validate is a part of kong.Resolver. Everything is checked on the way.
func (s *settings) Validate(*kong.Application) error { return nil }

// Resolve returns the value of a flag as a text, or nil to leave the default.
func (s *settings) Resolve(ctx *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if !isSetting(flag.Value) || isConfig(flag.Value) {
		return nil, nil
	}
	if !s.read { // all of the file is checked, whatever flags this command has
		s.read = true
		if err := s.readFile(ctx); err != nil {
			return nil, err
		}
	}
	if text, ok := s.lookup(variable(flag.Name)); ok && text != "" {
		if err := try(flag.Value, text); err != nil {
			return nil, sourceErrorf("%s: %w", variable(flag.Name), err)
		}
		return text, nil
	}
	value, ok := s.file[flag.Name]
	if !ok {
		return nil, nil
	}
	text, err := textOf(flag.Value, value)
	if err == nil {
		err = try(flag.Value, text)
	}
	if err != nil {
		return nil, sourceErrorf("%s: %s: %w", s.path, flag.Name, err)
	}
	return text, nil
}

func isConfig(v *kong.Value) bool { return v.Target.Type() == reflect.TypeFor[configPath]() }

// readFile reads the configuration file, if one is named, and checks its keys
// and types.
func (s *settings) readFile(ctx *kong.Context) error {
	for _, flag := range ctx.Model.Flags {
		if isConfig(flag.Value) {
			if s.path = fmt.Sprint(ctx.FlagValue(flag)); s.path == "" {
				s.path, _ = s.lookup(variable(flag.Name))
			}
		}
	}
	if s.path == "" {
		return nil
	}
	text, err := os.ReadFile(s.path)
	if err != nil {
		if e, ok := errors.AsType[*fs.PathError](err); ok {
			err = e.Err
		}
		return sourceErrorf("the configuration file %s cannot be read: %w", s.path, err)
	}
	if s.file, err = parseObject(text); err != nil {
		return sourceErrorf("%s: %w", s.path, err)
	}
	known := flags(ctx.Model)
	for _, key := range slices.Sorted(maps.Keys(s.file)) {
		flag := known[key]
		if flag == nil || isConfig(flag) {
			delete(known, "config")
			return sourceErrorf("%s: unknown key %q: the keys are %s", s.path, key, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
		if _, err := textOf(flag, s.file[key]); err != nil {
			return sourceErrorf("%s: %s: %w", s.path, key, err)
		}
	}
	return nil
}

// parseObject reads a JSON object and says in which line a mistake is.
func parseObject(text []byte) (object map[string]any, err error) {
	err = json.Unmarshal(text, &object)
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return nil, fmt.Errorf("line %d: %w", 1+bytes.Count(text[:min(int(e.Offset), len(text))], []byte("\n")), err)
	}
	if err != nil || object == nil {
		return nil, errors.New(`it must hold a JSON object, such as {"data": "/var/lib/duly"}`)
	}
	return object, nil
}

// textOf is the value of a key of the file as it would stand on the command line.
func textOf(v *kong.Value, value any) (string, error) {
	switch value := value.(type) {
	case bool:
		if v.IsBool() {
			return fmt.Sprint(value), nil
		}
	case string:
		if !v.IsBool() {
			return value, nil
		}
	case []any:
		if !v.IsSlice() {
			break
		}
		var texts []string
		for _, element := range value {
			text, ok := element.(string)
			if !ok {
				return "", errors.New("it must be an array of strings")
			}
			texts = append(texts, text)
		}
		return strings.Join(texts, ","), nil
	}
	switch {
	case v.IsBool():
		return "", errors.New("it must be true or false")
	case v.IsSlice():
		return "", errors.New("it must be an array of strings")
	default:
		return "", errors.New("it must be a string")
	}
}

// try says what is wrong with the text as a value of the flag.
func try(v *kong.Value, text string) error {
	target := reflect.New(v.Target.Type()).Elem()
	scan := kong.Scan().PushTyped(text, kong.FlagValueToken)
	if err := v.Mapper.Decode(&kong.DecodeContext{Value: v, Scan: scan}, target); err != nil {
		return err
	}
	if v.Enum != "" && !slices.Contains(v.EnumSlice(), text) {
		return fmt.Errorf("must be one of %s but got %q", strings.Join(v.EnumSlice(), ", "), text)
	}
	return nil
}

// flags are the settings of all commands by name.
func flags(app *kong.Application) map[string]*kong.Value {
	known := map[string]*kong.Value{}
	for _, node := range append(app.Leaves(false), app.Node) {
		for _, flag := range node.Flags {
			if isSetting(flag.Value) {
				known[flag.Name] = flag.Value
			}
		}
	}
	return known
}

// warnOfUnknownVariables names the variables that look like a setting and are none.
func warnOfUnknownVariables(w io.Writer, app *kong.Application, environment []string) {
	known := map[string]bool{}
	for name := range flags(app) {
		known[variable(name)] = true
	}
	slices.Sort(environment)
	for _, pair := range environment {
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, variablePrefix) && !known[name] {
			fmt.Fprintf(w, "duly: warning: %s names no setting and is ignored; see duly --help\n", name)
		}
	}
}
