package main

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
)

// Live data follow the block livedebugging: a reload without it ends streams, and
// begins none.
func TestLiveDataFollowTheirBlock(t *testing.T) {
	if testing.Short() {
		t.Skip("streams are written once a second")
	}
	const rest = "discovery.relabel \"r\" {\n  targets = [{\"__address__\" = \"a:1\"}]\n}\n"
	const path = "/api/v0/web/debug/discovery.relabel.r"
	c := startCollector(t, "livedebugging {\n  enabled = true\n}\n"+rest)
	resp, err := c.client.Get("http://" + c.Addr() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	stream := bufio.NewReader(resp.Body)
	want := `{__address__="a:1"} => {__address__="a:1"}|`
	if got, err := stream.ReadString('|'); err != nil || got != want {
		t.Errorf("stream begins with %q, %v", got, err)
	}
	c.write(rest)
	if code, body := c.get("/-/reload"); code != http.StatusOK {
		t.Fatalf("reload: %d %s", code, body)
	}
	for err = nil; err == nil; {
		_, err = stream.ReadByte() // until the stream ends
	}
	if code, body := c.get(path); code != http.StatusForbidden || !strings.Contains(body, "livedebugging { enabled = true }") {
		t.Errorf("after the reload: %d %s", code, body)
	}
	if code, body := c.get("/api/v0/web/components/discovery.relabel.r"); code != http.StatusOK || !strings.Contains(body, `"liveDebuggingEnabled":true`) {
		t.Errorf("component: %d %s", code, body)
	}
}
