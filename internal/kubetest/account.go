package kubetest

import (
	"fmt"
	"os"
	"path/filepath"

	authentication "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// Config returns how the administrator connects. It has no limit of requests.
func (s *Server) Config() *rest.Config { return s.ConfigOf(adminToken) }

// ConfigOf returns how the owner of a token connects.
func (s *Server) ConfigOf(token string) *rest.Config {
	return &rest.Config{
		Host:            s.URL(),
		BearerToken:     token,
		TLSClientConfig: rest.TLSClientConfig{CAFile: s.authority()},
		QPS:             -1,
		WarningHandler:  rest.NoWarnings{},
	}
}

// authority is the file of the certificate that the API server has made itself.
func (s *Server) authority() string { return s.path("apiserver.crt") }

// Token returns a token of a service account, which must exist. It is good for
// an hour.
func (s *Server) Token(namespace, account string) string {
	s.t.Helper()
	hour := int64(3600)
	request := &authentication.TokenRequest{Spec: authentication.TokenRequestSpec{ExpirationSeconds: &hour}}
	got, err := s.client.CoreV1().ServiceAccounts(namespace).CreateToken(s.t.Context(), account, request, metav1.CreateOptions{})
	if err != nil {
		s.t.Fatal(fmt.Errorf("ask for a token of %s/%s: %w", namespace, account, err))
	}
	return got.Status.Token
}

// Mount writes the directory that a pod of a service account has as
// /var/run/secrets/kubernetes.io/serviceaccount, and returns its path.
func (s *Server) Mount(namespace, account string) string {
	s.t.Helper()
	dir, err := os.MkdirTemp(s.dir, "mount-")
	if err != nil {
		s.t.Fatal(err)
	}
	authority, err := os.ReadFile(s.authority())
	if err != nil {
		s.t.Fatal(err)
	}
	for name, text := range map[string]string{
		"token": s.Token(namespace, account), "namespace": namespace, "ca.crt": string(authority),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	return dir
}

// Kubeconfig writes a kubeconfig file for the owner of a token, or for the
// administrator if it is empty, and returns its path.
func (s *Server) Kubeconfig(token string) string {
	s.t.Helper()
	if token == "" {
		token = adminToken
	}
	c := api.NewConfig()
	c.Clusters["c"] = &api.Cluster{Server: s.URL(), CertificateAuthority: s.authority()}
	c.AuthInfos["u"] = &api.AuthInfo{Token: token}
	c.Contexts["x"] = &api.Context{Cluster: "c", AuthInfo: "u"}
	c.CurrentContext = "x"
	dir, err := os.MkdirTemp(s.dir, "kubeconfig-")
	if err != nil {
		s.t.Fatal(err)
	}
	path := filepath.Join(dir, "config")
	if err := clientcmd.WriteToFile(*c, path); err != nil {
		s.t.Fatal(err)
	}
	return path
}
