package queueapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// A Backend carries operations out.
type Backend interface {
	// Do runs an operation and reads its answer into out, a pointer.
	Do(ctx context.Context, operation string, request, out any) error
	Close() error
}

// Local carries operations out on a store of this process, which it closes.
type Local struct {
	*Ops
	Closer io.Closer
}

// Do implements Backend.
func (l Local) Do(ctx context.Context, name string, request, out any) error {
	in, err := json.Marshal(request)
	if err != nil {
		return err
	}
	v, err := l.Run(ctx, name, in)
	if err != nil {
		return err
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, out)
}

// Close implements Backend.
func (l Local) Close() error { return l.Closer.Close() }

// Remote carries operations out in a running server.
type Remote struct {
	URL   string // scheme and host
	Token string
}

// ErrUnauthorized says that the server does not know the token.
var ErrUnauthorized = errors.New("queue: the server refused the token")

// Do implements Backend.
func (r Remote) Do(ctx context.Context, name string, request, out any) error {
	in, err := json.Marshal(request)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(r.URL, "/")+Path+name, bytes.NewReader(in))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+r.Token)
	// No proxy, no redirect: the token is for this machine.
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 256<<20))
	if err != nil {
		return err
	}
	if res.StatusCode == http.StatusOK {
		return json.Unmarshal(body, out)
	}
	var f failure
	if json.Unmarshal(body, &f) != nil || f.Error == "" {
		return fmt.Errorf("%s answered %s: is it a roomwire server?", r.URL, res.Status)
	}
	if res.StatusCode == http.StatusUnauthorized {
		return ErrUnauthorized
	}
	return errors.New(f.Error)
}

// Close implements Backend.
func (r Remote) Close() error { return nil }

// announced is the file in a data directory that tells other programs of the
// same user how to reach the server that has it open.
const announced = "roomwire-server.json"

// Announce writes down that the server at a URL has a data directory open; the
// file is for its user alone. withdraw removes it.
func Announce(dir, url, token string) (withdraw func(), err error) {
	name := filepath.Join(dir, announced)
	b, err := json.Marshal(Remote{url, token})
	if err != nil {
		return nil, err
	}
	// A new file, so that the mode is not that of an old one.
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return func() { _ = os.Remove(name) }, nil
}

// Announced returns the server that has a data directory open.
func Announced(dir string) (Remote, error) {
	var r Remote
	b, err := os.ReadFile(filepath.Join(dir, announced))
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	return r, err
}
