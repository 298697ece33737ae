// Package lookup answers two questions of a node that joins a cluster: where
// its peers are, and where it is itself.
//
// Peers are named by addresses of people's making. Each is
//
//	[dns+ | dnssrv+ | dnssrvnoa+] host [:port]
//
// and is tried in this order until a step yields something:
//
//	dns+        A and AAAA records of host
//	dnssrv+     SRV records of host, then A and AAAA records of their targets
//	dnssrvnoa+  SRV records of host; their targets are names that whoever
//	            connects resolves
//	no prefix   host as an IP address; as dns+; as dnssrv+
//
// The port is the one that the address spells out, else the one of the SRV
// record, else Config.Port. Or a provider is asked: see Config.Provider.
//
// Invariant: an address that leads nowhere costs itself only. Peers fails when
// nothing at all was found, and then says of each address what was tried.
// Invariant: nothing is remembered. Every call asks anew, for peers come and
// go behind a name.
//
// The package does not connect to peers and does not know whether what it
// finds is one.
package lookup
