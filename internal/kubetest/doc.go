// Package kubetest is a real Kubernetes API server for tests: kube-apiserver and
// etcd, built from Go modules and run as processes on loopback.
//
//	test ──► Server ──► kube-apiserver ──► etcd
//	  │                     ▲
//	  └──► what is tested ──┘   with a kubeconfig file or a rest.Config
//
// There is no kubelet, no scheduler and no controller: a pod runs where a test
// says that it does (Pod), an EndpointSlice is what a test writes, and a
// namespace is gone when DeleteNamespace has emptied it. Access is RBAC, so that
// an account may do what the roles say that are bound to it and nothing else.
//
// The programs are built once, which takes minutes, and kept in
// e2e/kubeserver/.cache. Where their modules cannot be had the tests say so and
// are skipped.
//
// Invariant: a Server is of one test, ends with it, and leaves no process: not
// even when the test dies.
// Invariant: nothing listens but on loopback.
//
// Start costs about eight seconds, most of them of one core: let tests that do
// not stop the server share one, in namespaces of their own.
package kubetest
