package contract_test

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestClientSpeaksToServer(t *testing.T) {
	dir := t.TempDir()
	out, err := exec.Command("go", "build", "-o", dir, "./server", "./client").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	srv := exec.Command(filepath.Join(dir, "server"), "-addr", "127.0.0.1:0")
	stdout, err := srv.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = srv.Process.Kill()
		_ = srv.Wait()
	}()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	url := regexp.MustCompile(`http://\S+`).FindString(line)
	if err != nil || url == "" {
		t.Fatalf("the server says %q, %v", line, err)
	}
	out, err = exec.Command(filepath.Join(dir, "client"), "-url", url, "hello", "there").CombinedOutput()
	if want := "posted number 1\n1. hello there\n"; err != nil || string(out) != want {
		t.Errorf("the client says %q, %v; want %q", out, err, want)
	}
	out, err = exec.Command(filepath.Join(dir, "client"), "-url", url).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "the server says: nothing was said") {
		t.Errorf("saying nothing is %q, %v", out, err)
	}
}
