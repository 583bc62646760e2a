package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Sizes of the test of memory.
const (
	uploads     = 20
	uploadSize  = 25 << 20
	uploadSlice = 5 << 20 // as the SDKs do
	maxResident = 150     // MB
)

// Many large files that come at once do not fill the memory: a request holds one
// piece of its file. They are read back at once as well.
func TestUploadMemory(t *testing.T) { // not in parallel, as it takes the disk
	_, p, token := servingAda(t)
	defer p.stop(t)
	if _, err := os.Stat(p.status()); errors.Is(err, fs.ErrNotExist) {
		t.Skip("there is no /proc to look at the memory")
	}
	list := p.call(t, token, "GET", "/v1.0/me/todo/lists/Tasks", "", 200)["id"].(string)
	task := p.call(t, token, "POST", "/v1.0/me/todo/lists/"+list+"/tasks", `{"title": "x"}`, 201)["id"].(string)
	content := bytes.Repeat([]byte("0123456789abcde\n"), uploadSize/16)
	want := sha256.Sum256(content)
	before := p.memory(t)
	begin := time.Now()
	files := make([]string, uploads)
	var wg sync.WaitGroup
	for i := range uploads {
		url := p.call(t, token, "POST", "/v1.0/me/todo/lists/"+list+"/tasks/"+task+"/attachments/createUploadSession",
			fmt.Sprintf(`{"attachmentInfo": {"attachmentType": "file", "name": "f", "size": %d}}`, uploadSize), 201)["uploadUrl"].(string)
		wg.Go(func() {
			for start := 0; start < uploadSize; start += uploadSlice {
				r, err := http.NewRequestWithContext(t.Context(), "PUT", url, bytes.NewReader(content[start:start+uploadSlice]))
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, start+uploadSlice-1, uploadSize))
				answer, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(answer.Body)
				answer.Body.Close()
				if err != nil || answer.StatusCode/100 != 2 {
					t.Errorf("bytes from %d: %d %v %s", start, answer.StatusCode, err, body)
					return
				}
				files[i] = answer.Header.Get("Location")
			}
		})
	}
	wg.Wait()
	written := p.memory(t)
	t.Logf("%d files of %d MB written in %v: at first %v, then %v", uploads, uploadSize>>20, time.Since(begin).Round(time.Millisecond), before, written)
	if t.Failed() {
		return
	}
	if written["VmHWM"] > maxResident {
		t.Errorf("the peak is %d MB, and %d are allowed", written["VmHWM"], maxResident)
	}
	begin = time.Now()
	for _, url := range files {
		wg.Go(func() {
			r, err := http.NewRequestWithContext(t.Context(), "GET", url+"/$value", nil)
			if err != nil {
				t.Error(err)
				return
			}
			r.Header.Set("Authorization", "Bearer "+token)
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer answer.Body.Close()
			sum := sha256.New()
			if _, err := io.Copy(sum, answer.Body); err != nil || !bytes.Equal(sum.Sum(nil), want[:]) {
				t.Errorf("%d %v: other bytes are read than were written", answer.StatusCode, err)
			}
		})
	}
	wg.Wait()
	read := p.memory(t)
	t.Logf("read in %v: %v", time.Since(begin).Round(time.Millisecond), read)
	if own := read["RssAnon"]; own > maxResident {
		t.Errorf("after reading %d MB are the process's own, and %d are allowed", own, maxResident)
	}
}

// status is the file in which the kernel tells of the process.
func (p *process) status() string { return "/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/status" }

// memory is what the process takes, in MB: VmHWM is the most that it had.
func (p *process) memory(t *testing.T) map[string]int {
	t.Helper()
	text, err := os.ReadFile(p.status())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^(VmHWM|VmRSS|RssAnon|RssFile):\s+(\d+) kB$`).FindAllStringSubmatch(string(text), -1) {
		kb, err := strconv.Atoi(m[2])
		if err != nil {
			t.Fatal(err)
		}
		out[m[1]] = kb >> 10
	}
	if len(out) != 4 {
		t.Fatalf("%s has not the four figures: %s", p.status(), strings.ReplaceAll(string(text), "\n", " "))
	}
	return out
}
