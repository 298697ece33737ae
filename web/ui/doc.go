// Package ui is what people see of a collector in a browser: pages made on the
// server, one style sheet, and a little script that keeps an open page current.
//
// A page is a view: a route, a template and a function that makes the template's
// model from snapshots. To add one,
//
//  1. write page.html with {{define "title"}} and {{define "main"}},
//  2. write page.go with a method of *UI that takes the request and returns the
//     model: a struct that is made by pure functions, so that it can be tested
//     without a browser,
//  3. add a line to views.
//
// Everything that changes stands in the page's own URL: filters, order, the part
// of a list. A reload, a bookmark and a link in a chat show the same. A page is
// whole without script.
//
// With script, live.js asks for the same URL again every two seconds and morphs
// what is shown into what came, so that focus, selection, scrolled places and
// opened details stay. What the server may not touch says so: data-keep lists
// attributes that belong to the browser ("open", "viewBox"), data-own a whole
// element that a script fills. See assets/live.js.
//
// Templates link with href, which adds the path prefix and the query, and print
// with the functions of print.go, so that a number looks the same on each page
// and its full value is in its title.
//
// Invariant: the browser is asked to load nothing from elsewhere, and may not:
// see policy. No template holds a script, a style attribute or an on… attribute.
//
// Invariant: what is shown is without secrets. Values come through the encoder
// that hides values of secret types, and whole pages lose the passwords of URLs.
//
// Invariant: pages read snapshots and change nothing.
package ui
