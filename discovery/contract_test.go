package discovery_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery/file"
	sdhttp "github.com/prometheus/prometheus/discovery/http"

	"github.com/divvy-collector/divvy/discovery/sdtest"
)

// groupOf is one target group in the JSON of file and HTTP discovery.
func groupOf(addresses []string) []byte {
	if len(addresses) == 0 {
		return []byte(`[]`)
	}
	text, err := json.Marshal([]any{map[string]any{"targets": addresses, "labels": map[string]string{"env": "test"}}})
	if err != nil {
		panic(fmt.Sprintf("BUG: marshal strings: %v", err))
	}
	return text
}

func TestFileKeepsTheContract(t *testing.T) {
	sdtest.TestProvider(t, func(t *testing.T) sdtest.Source {
		path := filepath.Join(t.TempDir(), "targets.json")
		return sdtest.Source{
			Config: &file.SDConfig{Files: []string{path}, RefreshInterval: model.Duration(20 * time.Millisecond)},
			Set: func(t *testing.T, addresses ...string) {
				t.Helper()
				next := path + ".next"
				if err := os.WriteFile(next, groupOf(addresses), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(next, path); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

func TestHTTPKeepsTheContract(t *testing.T) {
	sdtest.TestProvider(t, func(t *testing.T) sdtest.Source {
		var body atomic.Value
		body.Store(groupOf(nil))
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Connection", "close")
			_, _ = w.Write(body.Load().([]byte))
		}))
		t.Cleanup(srv.Close)
		return sdtest.Source{
			Config: &sdhttp.SDConfig{
				URL:              srv.URL,
				RefreshInterval:  model.Duration(20 * time.Millisecond),
				HTTPClientConfig: config.DefaultHTTPClientConfig,
			},
			Set: func(_ *testing.T, addresses ...string) { body.Store(groupOf(addresses)) },
		}
	})
}
