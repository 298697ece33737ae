// Package jobs scrapes the targets of many jobs, each with its own settings and
// its own rules for series, as one component.
//
//	SetJobs(list) ─► Run: the difference ─► a scrape.Pool per job ─► its rules ─► one sink
//
// Everything about scraping, sharing targets out and marking the end of series
// is in package scrape; here pools are started, changed and stopped. A job has a
// pool only while it has targets, or series that are still to be marked.
//
// Jobs are compared by pointer, and so are their settings: whoever makes them
// keeps what has not changed. A job that has another name is another job.
//
// Invariant: a change of one job touches no pool but its own.
// Invariant: a job that is gone ends as its targets would: their series are
// marked by who owns them, and only then does its pool stop.
// Invariant: a job that cannot be scraped does not keep the others from it.
// What it was before goes on, with its new targets, and Errs says why.
// Invariant: when Run returns, all pools have ended. No series is marked because
// of that.
package jobs
