package operator

import "time"

// An ObjectStatus says what became of an object.
type ObjectStatus struct {
	Namespace, Name string
	LastReconcile   time.Time // when it was translated last
	Jobs            int       // that it has
	Err             error     // why it has none, or no targets, with the field; nil: it is in force
}
