package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
)

// Asks returns the URL of the first request of a client, without what the
// protocol adds to its query.
func Asks(ctx context.Context, rawURL string, opts *Options) string {
	o := Options{}
	if opts != nil {
		o = *opts
	}
	o.NoReconnection = true
	asked := make(chan *url.URL, 1)
	o.Engine.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		asked <- r.URL
		return nil, errors.New("no network")
	})}
	c := New(rawURL, &o)
	defer c.Close()
	err := c.Of("/").Connect(ctx)
	if len(asked) == 0 {
		return err.Error()
	}
	u := <-asked
	q := u.Query()
	for _, name := range []string{"EIO", "transport", "t"} {
		q.Del(name)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

type roundTripper func(r *http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
