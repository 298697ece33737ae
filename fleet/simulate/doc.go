// Package simulate tells what becomes of targets when nodes come and go,
// before anybody lets them. It plays a list of events on a list of nodes and
// targets, with the arithmetic by which nodes really share targets out and
// with the dates that they would give.
//
//	join d      d announces that it serves from a lead later; its share moves
//	leave a     a announces that it serves until a lead later; its share moves
//	kill b      b's process dies; its slots wait until its peers know
//	vanish b    b's host is cut off or loses power; that takes longer to know
//	restart a   a leaves, and joins again under its name
//
// For each event it counts which targets go from whom to whom, how the work
// is divided once the event is over, and which slots went wrong: late, served
// by an heir after the death was known; missed, served by nobody; doubled,
// served by the dead node after its last proof of life, and by the heir again.
//
// Announcements are taken to arrive before their date, as they do. What a death
// costs is the worst case of Timings, so that a real one costs less.
//
// Invariant: equal arguments give equal results. Nothing here reads a clock or
// a file, or draws a random number.
// Invariant: who owns a key is asked of owner.View and decided nowhere else.
package simulate
