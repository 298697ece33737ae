package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/grafana/alloy/syntax/parser"
	"github.com/grafana/alloy/syntax/printer"
	"github.com/spf13/cobra"
)

// newFormatCommand returns divvy fmt.
func newFormatCommand(con console) *cobra.Command {
	var write, test bool
	cmd := &cobra.Command{
		Use:     "fmt [-w|-t] FILE|-",
		Aliases: []string{"format"},
		Short:   "Write a configuration file in its canonical form",
		Long: "Write a configuration file in its canonical form to standard output.\n" +
			"- reads standard input.",
		Args:              onePath,
		ValidArgsFunction: completeConfig,
		RunE: func(_ *cobra.Command, args []string) error {
			return formatFile(args[0], write, test, con)
		},
	}
	cmd.Flags().BoolVarP(&write, "write", "w", false, "write the result into the file")
	cmd.Flags().BoolVarP(&test, "test", "t", false, "write nothing; fail if the file is not in its canonical form")
	cmd.MarkFlagsMutuallyExclusive("write", "test")
	return cmd
}

// formatFile formats the file called name ("-" for con.in) onto con.out, or into
// the file, or only compares. A file that is in its canonical form already is not
// written, so its time of change stays.
func formatFile(name string, write, test bool, con console) error {
	if name == "-" && write {
		return errors.New("-w cannot write into standard input; leave it out, or name a file")
	}
	text, err := readFormatInput(name, con.in)
	if err != nil {
		return err
	}
	formatted, err := format(name, text)
	if err != nil {
		fmt.Fprint(con.err, explain(map[string][]byte{name: text}, err))
		return errReported
	}
	switch {
	case test && bytes.Equal(text, formatted):
		return nil
	case test:
		return fmt.Errorf("%s is not in its canonical form; divvy fmt -w %s writes it", name, name)
	case write && bytes.Equal(text, formatted):
		return nil
	case write:
		return replaceFile(name, formatted)
	}
	_, err = con.out.Write(formatted)
	return err
}

// readFormatInput returns the text to format.
func readFormatInput(name string, stdin io.Reader) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(stdin)
	}
	stat, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if stat.IsDir() {
		return nil, fmt.Errorf("%s is a directory; name one file", name)
	}
	return os.ReadFile(name)
}

// format returns text in its canonical form. Formatting that again changes
// nothing.
func format(name string, text []byte) ([]byte, error) {
	file, err := parser.ParseFile(name, text)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := printer.Fprint(&out, file); err != nil {
		return nil, fmt.Errorf("format %s: %w", name, err)
	}
	if out.Len() > 0 {
		out.WriteByte('\n')
	}
	return out.Bytes(), nil
}

// replaceFile puts text in place of what name holds, whole or not at all, with
// the same permissions. A symbolic link stays one.
func replaceFile(name string, text []byte) error {
	target, err := filepath.EvalSymlinks(name)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	stat, err := os.Stat(target)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	temp, err := os.CreateTemp(filepath.Dir(target), ".divvy-fmt-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	_, writeErr := temp.Write(text)
	err = errors.Join(writeErr, temp.Chmod(stat.Mode().Perm()), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), target)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, errors.Join(err, os.Remove(temp.Name())))
	}
	return nil
}
