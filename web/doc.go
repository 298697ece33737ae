// Package web answers HTTP for one collector: its metrics, its readiness and
// health, profiles, a support bundle, the state of every component, and what
// components themselves serve.
//
// A Listener is the door. It accepts connections from the network and from
// components of the same process (Dial), and holds the settings of the http
// block, which a reload may replace while connections are open: whether new
// connections speak TLS, and who has to authenticate for what. A Server is what
// is behind the door: the routes.
//
//	network ──► Listener ─ TLS? ─┐
//	                             ├─► authenticate ─► routes ─► snapshots
//	components ──► Dial (memory) ┘
//
// The Server reads snapshots of the pipeline and changes nothing, except that
// /-/reload calls the function that it was given for that.
//
// Invariant: nothing that leaves through this package holds a secret of the
// configuration. Values of secret types are hidden where they are encoded;
// the support bundle, which also holds sources, flags and the environment, masks
// them again (see redaction).
//
// Invariant: Apply replaces all settings of the door or none.
package web
