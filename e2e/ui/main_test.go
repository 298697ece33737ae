package ui

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

var (
	binary = flag.String("binary", "", "test this divvy instead of building one")
	shots  = flag.String("shots", "screenshots", "keep pictures of the pages in this `directory`")
)

// browser is the Chromium that all tests share; nil where there is none.
var browser context.Context

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

// run prepares the program and the browser, and runs the tests.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "divvy-ui-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := prepare(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	path, err := exec.LookPath("chromium")
	if err != nil {
		fmt.Fprintln(os.Stderr, "SKIPPED: no chromium in the PATH, so no page was looked at; .ci/install installs it")
		return 0
	}
	stop, err := openBrowser(path, filepath.Join(dir, "profile"))
	defer stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "start chromium:", err)
		return 1
	}
	return m.Run()
}

// prepare builds divvy, if none was named, and makes the folder of pictures.
func prepare(dir string) error {
	if err := os.MkdirAll(*shots, 0o755); err != nil {
		return err
	}
	if *binary != "" {
		return nil
	}
	*binary = filepath.Join(dir, "divvy")
	cmd := exec.Command("go", "build", "-o", *binary, "./cmd/divvy")
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build divvy: %w\n%s", err, out)
	}
	return nil
}

// openBrowser starts Chromium at path with a profile of its own.
func openBrowser(path, profile string) (stop func(), err error) {
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("hide-scrollbars", true),
	)
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stopBrowser := chromedp.NewContext(allocator)
	browser = ctx
	return func() { stopBrowser(); stopAllocator() }, chromedp.Run(ctx)
}
