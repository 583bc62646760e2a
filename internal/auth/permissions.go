package auth

import "strings"

// GraphAppID is the client id of Microsoft Graph at Entra, of whose permissions
// applications are made.
const GraphAppID = graphAppID

// permissionIDs are the ids of Graph's permissions, as Microsoft's reference of
// them has them: the delegated ones, and those of applications.
func permissionIDs() (scopes, roles map[string]string) {
	return map[string]string{
			"Tasks.Read":                "f45671fb-e0fe-4b4b-be20-3d3ce43f1bcb",
			"Tasks.ReadWrite":           "2219042f-cab5-40cc-b0d2-16b1540b4c5f",
			"Tasks.Read.Shared":         "88d21fd4-8e5a-4c32-b5e2-4a1c95f34f72",
			"Tasks.ReadWrite.Shared":    "c5ddf11b-c114-4886-8558-8a4e557cd52b",
			"User.Read":                 "e1fe6dd8-ba31-4d61-89e7-88639da4683d",
			"User.ReadWrite":            "b4e74841-8e56-480b-be8b-910348b18b4c",
			"User.ReadBasic.All":        "b340eb25-3456-403f-be2f-af7a0d370277",
			"User.Read.All":             "a154be20-db9c-4678-8ab7-66f6cc099a59",
			"MailboxSettings.Read":      "87f447af-9fa4-4c32-9dfa-4a57a73d18ce",
			"MailboxSettings.ReadWrite": "818c620a-27a9-40bd-a6a5-d96f7d610b4b",
		}, map[string]string{
			"Tasks.Read.All":            "f10e1f91-74ed-437f-a6fd-d6ae88e26c1f",
			"Tasks.ReadWrite.All":       "44e666d1-d276-445b-a5fc-8815eeb81d55",
			"User.Read.All":             "df021288-bdef-4463-88db-98f22de89214",
			"User.ReadBasic.All":        "97235f07-e226-4f63-ace3-39588e11d3a1",
			"MailboxSettings.Read":      "40f97065-369a-49f4-947c-6a255697ae91",
			"MailboxSettings.ReadWrite": "6931bccd-447a-43d1-b442-00a195474933",
			"Application.Read.All":      "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30",
			"Application.ReadWrite.All": "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9",
		}
}

// PermissionID is the id of a delegated permission, or with role of one of
// applications; empty where there is none.
func PermissionID(name string, role bool) string {
	scopes, roles := permissionIDs()
	if role {
		return roles[name]
	}
	return scopes[name]
}

// PermissionOf is the name of a permission that is written as its id and its type,
// "Scope" or "Role", with a space between; empty where there is none.
func PermissionOf(idAndType string) (name string, role bool) {
	id, kind, _ := strings.Cut(idAndType, " ")
	scopes, roles := permissionIDs()
	ids := map[string]map[string]string{"Scope": scopes, "Role": roles}[kind]
	for name, known := range ids {
		if known == id {
			return name, kind == "Role"
		}
	}
	return "", false
}
