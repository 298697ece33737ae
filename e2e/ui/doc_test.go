// Package ui drives the pages of a real cluster in a real browser: Chromium,
// without a window. It is a module of its own, because nothing else needs the
// library that speaks to the browser.
//
// A world is three nodes, each a process, that share the targets of a fake
// fleet and send to a fake receiver. A tab is a page of the browser, which fails
// its test if the page logs an error or asks for anything that is not there.
//
//	go test ./...                  builds divvy first
//	go test ./... -binary=./divvy  takes this one
//	go test ./... -shots=DIR       keeps the pictures of all pages there
//
// What an open page shows of a node that dies, of targets that nobody or several
// scrape, and how long pages of a large fleet take, has a test of its own.
//
// The tests are skipped, and say so, where there is no Chromium.
package ui
