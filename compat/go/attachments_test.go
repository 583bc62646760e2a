package compat_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go-core/fileuploader"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"
	"github.com/microsoftgraph/msgraph-sdk-go/users"
)

// tenMegabytes is what the upload helpers of the SDKs have to bring across: two
// of their slices of 5 MiB, and a rest.
const tenMegabytes = 10<<20 + 4321

// slice is how many bytes the helpers send at a time unless told otherwise.
const slice = 5 << 20

// fileOf makes a file of random bytes.
func fileOf(t *testing.T, size int) (file *os.File, content []byte) {
	t.Helper()
	content = make([]byte, size)
	chacha := rand.NewChaCha8([32]byte{7})
	_, _ = chacha.Read(content) // which never fails
	name := filepath.Join(t.TempDir(), "report.bin")
	must(t, os.WriteFile(name, content, 0o600))
	file, err := os.Open(name)
	must(t, err)
	t.Cleanup(func() { must(t, file.Close()) })
	return file, content
}

// uploadSession is client.Me()…Attachments().CreateUploadSession().Post().
func uploadSession(ctx context.Context, task *users.ItemTodoListsItemTasksTodoTaskItemRequestBuilder, name string, size int) (models.UploadSessionable, error) {
	info := models.NewAttachmentInfo()
	info.SetAttachmentType(new(models.FILE_ATTACHMENTTYPE))
	info.SetName(&name)
	info.SetSize(new(int64(size)))
	info.SetContentType(new("application/octet-stream"))
	body := users.NewItemTodoListsItemTasksItemAttachmentsCreateUploadSessionPostRequestBody()
	body.SetAttachmentInfo(info)
	return task.Attachments().CreateUploadSession().Post(ctx, body, nil)
}

// uploader is the SDK's own helper for large files.
func uploader(a *account, session models.UploadSessionable, file *os.File) fileuploader.LargeFileUploadTask[models.TaskFileAttachmentable] {
	return fileuploader.NewLargeFileUploadTask[models.TaskFileAttachmentable](a.adapter, session, file, slice,
		models.CreateTaskFileAttachmentFromDiscriminatorValue, abstractions.ErrorMappings{
			"4XX": odataerrors.CreateODataErrorFromDiscriminatorValue, "5XX": odataerrors.CreateODataErrorFromDiscriminatorValue,
		})
}

// upload brings a file across and checks what the server then has.
func upload(t *testing.T, a *account, task *users.ItemTodoListsItemTasksTodoTaskItemRequestBuilder, name string, size int) {
	t.Helper()
	file, content := fileOf(t, size)
	session, err := uploadSession(t.Context(), task, name, size)
	must(t, err)
	result := uploader(a, session, file).Upload(func(int64, int64) {})
	if !result.GetUploadSucceeded() {
		t.Fatalf("the upload failed: %v", result.GetResponseErrors())
	}
	if result.GetURI() == nil || !strings.Contains(*result.GetURI(), "/attachments/") {
		t.Fatalf("the upload has no Location: %v", result.GetURI())
	}
	uploaded(t, a, task, name, content)
}

// uploaded checks that the one attachment of the task is as it was sent.
func uploaded(t *testing.T, a *account, task *users.ItemTodoListsItemTasksTodoTaskItemRequestBuilder, name string, content []byte) {
	t.Helper()
	files, err := task.Attachments().Get(t.Context(), nil)
	must(t, err)
	must(t, want("attachments", len(files.GetValue()), 1))
	f := files.GetValue()[0]
	must(t, want("name", value(f.GetName()), name))
	must(t, want("size", int(value(f.GetSize())), len(content)))
	one, err := task.Attachments().ByAttachmentBaseId(value(f.GetId())).Get(t.Context(), nil)
	must(t, err)
	whole, ok := one.(models.TaskFileAttachmentable)
	if !ok || !bytes.Equal(whole.GetContentBytes(), content) {
		t.Errorf("contentBytes (%T) are not the bytes that were sent", one)
	}
	raw, err := task.Attachments().ByAttachmentBaseId(value(f.GetId())).Content().Get(t.Context(), nil)
	must(t, err)
	must(t, want("the hash of $value", fmt.Sprintf("%x", sha256.Sum256(raw)), fmt.Sprintf("%x", sha256.Sum256(content))))
}

func TestSmallAttachment(t *testing.T) {
	list, made := newList(t, shared.ada, "Small file", titled("Read it")...)
	task := list.Tasks().ByTodoTaskId(value(made[0].GetId()))
	file := models.NewTaskFileAttachment()
	file.SetName(new("../notes:1?.txt"))
	file.SetContentType(new("text/plain"))
	file.SetContentBytes([]byte("smile"))
	answer, err := task.Attachments().Post(t.Context(), file, nil)
	must(t, err)
	must(t, want("name", value(answer.GetName()), "../notes:1?.txt"))
	uploaded(t, shared.ada, task, "../notes:1?.txt", []byte("smile"))
	with, err := task.Get(t.Context(), nil)
	must(t, err)
	must(t, want("hasAttachments", value(with.GetHasAttachments()), true))

	must(t, task.Attachments().ByAttachmentBaseId(value(answer.GetId())).Delete(t.Context(), nil))
	without, err := task.Get(t.Context(), nil)
	must(t, err)
	must(t, want("hasAttachments", value(without.GetHasAttachments()), false))
}

func TestUploadTenMegabytes(t *testing.T) {
	list, made := newList(t, shared.ada, "Large file", titled("Read it")...)
	upload(t, shared.ada, list.Tasks().ByTodoTaskId(value(made[0].GetId())), "report.bin", tenMegabytes)
}

// TestUploadResumes sends the first slice by hand, then lets the helper find out
// what is missing and send that.
func TestUploadResumes(t *testing.T) {
	list, made := newList(t, shared.ada, "Broken upload", titled("Read it")...)
	task := list.Tasks().ByTodoTaskId(value(made[0].GetId()))
	file, content := fileOf(t, tenMegabytes)
	session, err := uploadSession(t.Context(), task, "report.bin", len(content))
	must(t, err)

	// Without a token, as other SDKs do.
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, value(session.GetUploadUrl()), bytes.NewReader(content[:slice]))
	must(t, err)
	request.Header.Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", slice-1, len(content)))
	answer, err := http.DefaultClient.Do(request)
	must(t, err)
	_, err = io.Copy(io.Discard, answer.Body)
	must(t, err)
	must(t, answer.Body.Close())
	must(t, want("status of the first slice", answer.StatusCode, http.StatusOK))

	result, err := uploader(shared.ada, session, file).Resume(func(int64, int64) {})
	must(t, err)
	if !result.GetUploadSucceeded() {
		t.Fatalf("the upload failed: %v", result.GetResponseErrors())
	}
	uploaded(t, shared.ada, task, "report.bin", content)
}

func TestUploadCancelled(t *testing.T) {
	list, made := newList(t, shared.ada, "No upload", titled("Read it")...)
	task := list.Tasks().ByTodoTaskId(value(made[0].GetId()))
	file, content := fileOf(t, 100)
	session, err := uploadSession(t.Context(), task, "report.bin", len(content))
	must(t, err)
	must(t, uploader(shared.ada, session, file).Cancel())
	files, err := task.Attachments().Get(t.Context(), nil)
	must(t, err)
	must(t, want("attachments", len(files.GetValue()), 0))
}
