// Package args holds the arguments that many kinds of components share: the
// settings of an HTTP client, relabelling rules, targets and receivers.
//
// The types here are decoded from blocks of the configuration language and
// turned into what the engines take: HTTPClient into the client configuration
// of the Prometheus libraries, Rule into a relabelling rule, Target into a set
// of labels, Receiver into a telemetry.Sink.
//
// Two kinds of values exist in that language. Objects, arrays, strings and
// numbers are compared and printed by what they hold. A capsule is a Go value
// that expressions only pass on: Receiver and RuleSet are capsules, and Target
// is one that also reads as an object.
//
// Invariant: values are immutable once decoded. They are shared between the
// evaluator, the components and the user interface.
// Invariant: secrets are held as alloytypes.Secret, which never prints.
// Invariant: an error of Validate names the argument as the user wrote it and
// what to do about it.
package args
