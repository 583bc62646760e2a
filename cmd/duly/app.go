package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/duly-todo/duly"
)

// appCommand is "duly app".
type appCommand struct {
	Add     appAddCommand     `cmd:"" help:"Register an application that may ask for tokens."`
	List    appListCommand    `cmd:"" help:"List the applications."`
	Rotate  appRotateCommand  `cmd:"" help:"Make a new secret for an application."`
	SignOut appSignOutCommand `cmd:"" help:"End all tokens of an application, which may ask for new ones."`
	Remove  appRemoveCommand  `cmd:"" help:"Remove an application with all that was given to it."`
}

// secretLife is how long a client secret is good when nothing else is said.
const secretLife = 365 * 24 * time.Hour

// appAddCommand is "duly app add".
type appAddCommand struct {
	Data dataFolder `setting:"" default:"data" placeholder:"DIR" help:"Folder of the data, made if missing."`
	databaseFlag
	BaseURL     baseURL  `setting:"" placeholder:"URL" help:"Scheme and host of the server, for the settings that are printed."`
	Name        string   `arg:"" help:"Name that people see when the application asks for access."`
	Public      bool     `xor:"kind" help:"It runs on a desktop, a phone or a command line, and cannot keep a secret."`
	SPA         bool     `name:"spa" xor:"kind" help:"It runs in a browser."`
	Web         bool     `name:"confidential" xor:"kind" help:"It is a web application with a secret or a certificate."`
	Daemon      bool     `xor:"kind" help:"It acts without a user, with the permissions of --role on all mailboxes."`
	RedirectURI []string `placeholder:"URI" sep:"none" help:"Where people are sent back to; may be repeated. http://localhost stands for every port."`
	Scope       string   `placeholder:"NAMES" help:"Permissions that it may ask users for, separated by spaces; Tasks.ReadWrite User.Read if left out."`
	Role        string   `placeholder:"NAMES" help:"Permissions on all mailboxes, separated by spaces, such as Tasks.ReadWrite.All."`
	Secret      bool     `help:"Make a secret and print it, once. Without --certificate this is so anyway."`
	Certificate string   `placeholder:"FILE" help:"Register the certificate of a PEM file, whose key the application keeps."`
}

// Examples are shown at the end of the help.
func (*appAddCommand) Examples() string {
	return `Examples:
  duly app add "My CLI" --public --redirect-uri http://localhost
  duly app add "My web app" --confidential --redirect-uri https://app.example.org/callback
  duly app add "Nightly sync" --daemon --role Tasks.ReadWrite.All --certificate client.pem`
}

// app is the application that the flags describe.
func (a *appAddCommand) app() duly.App {
	app := duly.App{Name: a.Name, RedirectURIs: a.RedirectURI, Roles: strings.Fields(a.Role), Scopes: strings.Fields(a.Scope)}
	switch {
	case a.Daemon:
		app.Kind = "daemon"
	case a.SPA:
		app.Kind = "spa"
	case a.Web:
		app.Kind = "web"
	case a.Public:
		app.Kind = "native"
	}
	if app.Kind != "daemon" && len(app.Scopes) == 0 {
		app.Scopes = []string{"Tasks.ReadWrite", "User.Read"}
	}
	return app
}

// Run registers the application. The server may run meanwhile.
func (a *appAddCommand) Run(ctx context.Context, c *console) (err error) {
	app := a.app()
	if app.Kind == "" {
		return usageErrorf("say what the application is: --public, --spa, --confidential or --daemon")
	}
	confidential := app.Kind == "web" || app.Kind == "daemon"
	if !confidential && (a.Secret || a.Certificate != "") {
		return usageErrorf("only --confidential and --daemon applications have a secret or a certificate")
	}
	if err := duly.CheckApp(app); err != nil {
		return &usageError{err}
	}
	var certificate []byte
	if a.Certificate != "" {
		if certificate, err = os.ReadFile(a.Certificate); err != nil {
			return fmt.Errorf("reading the certificate: %w", err)
		}
	}
	server, err := openData(ctx, duly.Config{DataDir: string(a.Data), Database: string(a.DB), Beside: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	if app, err = server.AddApp(ctx, app); err != nil {
		return err
	}
	secret := ""
	if certificate != nil {
		if err := server.AddCertificate(ctx, app.ID, certificate); err != nil {
			return errors.Join(err, server.RemoveApp(ctx, app.ID))
		}
	}
	if confidential && (a.Secret || certificate == nil) {
		if secret, err = server.AddSecret(ctx, app.ID, secretLife, -1); err != nil {
			return err
		}
	}
	_, err = fmt.Fprint(c.stdout, appHint(app, secret, server.TenantID(), cmp.Or(strings.TrimSuffix(string(a.BaseURL), "/"), "https://todo.example.org")))
	return err
}

// appHint is all that is to be set in a program.
func appHint(app duly.App, secret, tenant, base string) string {
	_, host, _ := strings.Cut(base, "://")
	name, _, _ := strings.Cut(host, ":")
	scope := "https://graph.microsoft.com/.default"
	var b strings.Builder
	fmt.Fprintf(&b, "Added %s\n\nClient id:      %s\n", app.Name, app.ID)
	if secret != "" {
		fmt.Fprintf(&b, "Client secret:  %s   (good for a year; not shown again)\n", secret)
	}
	fmt.Fprintf(&b, "Tenant id:      %s\nAuthority:      %s/%s\nScope:          %s\nGraph:          %s/v1.0\n\n", tenant, base, tenant, scope, base)
	fmt.Fprintf(&b, `Programs that read the environment (azidentity, @azure/identity, azure-identity):
  AZURE_AUTHORITY_HOST=%[1]s AZURE_TENANT_ID=adfs AZURE_CLIENT_ID=%[2]s

Go, azidentity:
  Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: "%[1]s"}, DisableInstanceDiscovery: true
  auth.NewAzureIdentityAuthenticationProviderWithScopesAndValidHosts(cred, []string{"%[3]s"}, []string{"%[4]s"})
  adapter.SetBaseUrl("%[1]s/v1.0")

JavaScript, @azure/identity:
  new %[5]s("%[6]s", "%[2]s", …, { authorityHost: "%[1]s", disableInstanceDiscovery: true })
  Client.initWithMiddleware({ authProvider, baseUrl: "%[1]s/", customHosts: new Set(["%[4]s"]) })

JavaScript, MSAL:
  auth: { clientId: "%[2]s", authority: "%[1]s/%[6]s", knownAuthorities: ["%[7]s"] }

Python, azure-identity:
  %[5]s("%[6]s", "%[2]s", …, authority="%[7]s", disable_instance_discovery=True)

.NET, Azure.Identity:
  new %[5]s("%[6]s", "%[2]s", …, new() { AuthorityHost = new Uri("%[1]s"), DisableInstanceDiscovery = true })

Libraries ask for https, and their programs must trust its certificate.
`, base, app.ID, scope, name, credentialName(app.Kind), tenant, host)
	return b.String()
}

// credentialName is what the Azure libraries call the way to sign in.
func credentialName(kind string) string {
	if kind == "daemon" || kind == "web" {
		return "ClientSecretCredential"
	}
	return "DeviceCodeCredential"
}

// appListCommand is "duly app list".
type appListCommand struct {
	Data dataFolder `setting:"" default:"data" placeholder:"DIR" help:"Folder of the data."`
	databaseFlag
}

// Examples are shown at the end of the help.
func (*appListCommand) Examples() string {
	return `Examples:
  duly app list --data /var/lib/duly`
}

// Run lists the applications by name.
func (a *appListCommand) Run(ctx context.Context, c *console) (err error) {
	return withData(ctx, a.Data, a.DB, func(server *duly.Server) error {
		apps, err := server.Apps(ctx)
		if err != nil {
			return fmt.Errorf("listing the applications: %w", err)
		}
		table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "NAME\tKIND\tCLIENT ID\tPERMISSIONS\tREDIRECT URIS")
		for _, app := range apps {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", printable(app.Name), app.Kind, app.ID,
				strings.Join(append(app.Scopes, app.Roles...), " "), cmp.Or(strings.Join(app.RedirectURIs, " "), "-"))
		}
		return table.Flush()
	})
}

// appRotateCommand is "duly app rotate".
type appRotateCommand struct {
	Data dataFolder `setting:"" default:"data" placeholder:"DIR" help:"Folder of the data."`
	databaseFlag
	ID   string        `arg:"" name:"client-id" help:"Client id of the application."`
	Keep time.Duration `default:"24h" placeholder:"TIME" help:"How long the secrets of before stay good; with 0s the tokens of the application end too."`
}

// Examples are shown at the end of the help.
func (*appRotateCommand) Examples() string {
	return `Examples:
  duly app rotate 7a1f4c36-90d2-4b5e-8c47-d3e6b2f80a19
  duly app rotate 7a1f4c36-90d2-4b5e-8c47-d3e6b2f80a19 --keep 0s`
}

// Run prints the new secret and nothing else.
func (a *appRotateCommand) Run(ctx context.Context, c *console) error {
	if a.Keep < 0 {
		return usageErrorf("--keep must not be negative")
	}
	return withData(ctx, a.Data, a.DB, func(server *duly.Server) error {
		secret, err := server.AddSecret(ctx, a.ID, secretLife, a.Keep)
		if err != nil {
			return unknownApp(err, a.Data)
		}
		_, err = fmt.Fprintln(c.stdout, secret)
		return err
	})
}

// appSignOutCommand is "duly app sign-out".
type appSignOutCommand struct {
	Data dataFolder `setting:"" default:"data" placeholder:"DIR" help:"Folder of the data."`
	databaseFlag
	ID string `arg:"" name:"client-id" help:"Client id of the application."`
}

// Examples are shown at the end of the help.
func (*appSignOutCommand) Examples() string {
	return `Examples:
  duly app sign-out 7a1f4c36-90d2-4b5e-8c47-d3e6b2f80a19

Users have to sign in to the application again; a daemon asks for a new token by itself.`
}

// Run ends the tokens of the application.
func (a *appSignOutCommand) Run(ctx context.Context, c *console) error {
	return withData(ctx, a.Data, a.DB, func(server *duly.Server) error {
		if err := server.SignOutApp(ctx, a.ID); err != nil {
			return unknownApp(err, a.Data)
		}
		_, err := fmt.Fprintf(c.stdout, "All tokens of %s have ended\n", a.ID)
		return err
	})
}

// appRemoveCommand is "duly app remove".
type appRemoveCommand struct {
	Data dataFolder `setting:"" default:"data" placeholder:"DIR" help:"Folder of the data."`
	databaseFlag
	ID string `arg:"" name:"client-id" help:"Client id of the application."`
}

// Examples are shown at the end of the help.
func (*appRemoveCommand) Examples() string {
	return `Examples:
  duly app remove 7a1f4c36-90d2-4b5e-8c47-d3e6b2f80a19`
}

// Run removes the application.
func (a *appRemoveCommand) Run(ctx context.Context, c *console) error {
	return withData(ctx, a.Data, a.DB, func(server *duly.Server) error {
		if err := server.RemoveApp(ctx, a.ID); err != nil {
			return unknownApp(err, a.Data)
		}
		_, err := fmt.Fprintf(c.stdout, "Removed %s\n", a.ID)
		return err
	})
}

func unknownApp(err error, data dataFolder) error {
	if errors.Is(err, duly.ErrNoApp) {
		return fmt.Errorf("%w: see which there are with %s", err, command("duly app list", data))
	}
	return err
}

// withData runs fn on the data of a folder that has some.
func withData(ctx context.Context, data dataFolder, db database, fn func(*duly.Server) error) error {
	server, err := openData(ctx, duly.Config{DataDir: string(data), Database: string(db), Existing: true, Beside: true})
	if err != nil {
		return err
	}
	return errors.Join(fn(server), server.Close())
}
