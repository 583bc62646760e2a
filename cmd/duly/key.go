package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"text/tabwriter"
	"time"

	"github.com/duly-todo/duly"
)

// keyCommand is "duly key".
type keyCommand struct {
	List   keyListCommand   `cmd:"" help:"List the keys that sign tokens, and say when."`
	Rotate keyRotateCommand `cmd:"" help:"Make the next key that signs tokens."`
	Retire keyRetireCommand `cmd:"" help:"End a key, with all tokens that it has signed."`
}

// keyListCommand is "duly key list".
type keyListCommand struct {
	Data dataFolder `setting:"" default:"data" placeholder:"DIR" help:"Folder of the data."`
}

// Examples are shown at the end of the help.
func (*keyListCommand) Examples() string {
	return `Examples:
  duly key list --data /var/lib/duly

Servers that share a database must have the same keys: compare what this prints.`
}

// Run lists the keys in the order in which they sign.
func (k *keyListCommand) Run(c *console) error {
	now := time.Now()
	keys, err := duly.SigningKeys(string(k.Data), now)
	if err != nil {
		return keyError(err, k.Data)
	}
	table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "KEY\tALGORITHM\tSIGNS\tGOOD UNTIL")
	for _, key := range keys {
		signs := "no more"
		switch {
		case key.Signs:
			signs = "now"
		case key.SignsFrom.After(now):
			signs = "from " + minute(key.SignsFrom)
		}
		until := "-"
		if !key.GoodUntil.IsZero() {
			until = minute(key.GoodUntil)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", key.ID, key.Algorithm, signs, until)
	}
	return table.Flush()
}

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// keyRotateCommand is "duly key rotate".
type keyRotateCommand struct {
	Data  dataFolder    `setting:"" default:"data" placeholder:"DIR" help:"Folder of the data, which a server may use meanwhile."`
	Delay time.Duration `default:"2h" placeholder:"TIME" help:"How long the key is published before it signs: clients keep what they have read for an hour."`
	Keep  time.Duration `default:"${overlap}" placeholder:"TIME" help:"How long the keys of before are good after that: no token lives longer. Less ends tokens early."`
}

// Examples are shown at the end of the help.
func (*keyRotateCommand) Examples() string {
	return `Examples:
  duly key rotate --data /var/lib/duly
  duly key rotate --delay 0s --keep 0s      a key has leaked: end all tokens now

A running server takes the key over within a second. Where several servers share a
database, copy issuer.json to the others before the delay is over.`
}

// Run makes the key, and says when it signs.
func (k *keyRotateCommand) Run(ctx context.Context, c *console) error {
	if most := duly.MaxKeyDelay; k.Delay < 0 || k.Delay > most || k.Keep < 0 || k.Keep > most {
		return usageErrorf("--delay and --keep must be from 0s to %.0fh", most.Hours())
	}
	now := time.Now()
	if err := duly.RotateKeys(ctx, string(k.Data), k.Delay, k.Keep, now); err != nil {
		return keyError(err, k.Data)
	}
	_, err := fmt.Fprintf(c.stdout, "A new key signs from %s; those of before are good until %s\n", minute(now.Add(k.Delay)), minute(now.Add(k.Delay+k.Keep)))
	return err
}

// keyRetireCommand is "duly key retire".
type keyRetireCommand struct {
	Data dataFolder `setting:"" default:"data" placeholder:"DIR" help:"Folder of the data, which a server may use meanwhile."`
	ID   string     `arg:"" name:"key" help:"The key as \"duly key list\" prints it, or how it begins."`
}

// Examples are shown at the end of the help.
func (*keyRetireCommand) Examples() string {
	return `Examples:
  duly key retire kX2nq9

Put -- before a key that begins with a dash.`
}

// Run ends the key.
func (k *keyRetireCommand) Run(ctx context.Context, c *console) error {
	key, err := duly.RetireKey(ctx, string(k.Data), k.ID, time.Now())
	if err != nil {
		return keyError(err, k.Data)
	}
	_, err = fmt.Fprintf(c.stdout, "The key %s has ended, with all tokens that it has signed\n", key.ID)
	return err
}

// keyError says what to do about an error with the keys of a folder.
func keyError(err error, data dataFolder) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there are no keys in %s: name the folder of the server with --data or DULY_DATA", data)
	case errors.Is(err, duly.ErrNoKey):
		return fmt.Errorf("%w: see which there are with %s", err, command("duly key list", data))
	}
	return err
}
