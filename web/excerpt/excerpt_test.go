package excerpt

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

type args struct {
	Name  string `alloy:"name,attr"`
	Items []int  `alloy:"item,block,optional"`
	Plain []int  // is not encoded
}

func TestOnlyLongListsAreCut(t *testing.T) {
	f := func(v, want any, whole map[string]int) {
		t.Helper()
		short, got := Of(v, 2)
		if diff := cmp.Diff(want, short); diff != "" {
			t.Errorf("%v: %s", v, diff)
		}
		if diff := cmp.Diff(whole, got); diff != "" {
			t.Errorf("%v: %s", v, diff)
		}
	}
	none := map[string]int{}
	f(nil, nil, none)
	f(7, 7, none)
	f(args{Items: []int{1, 2}}, args{Items: []int{1, 2}}, none)
	f(args{"a", []int{1, 2, 3}, []int{1, 2, 3}}, args{"a", []int{1, 2}, []int{1, 2, 3}}, map[string]int{"item": 3})
	f(&args{Items: []int{1, 2, 3}}, args{Items: []int{1, 2}}, map[string]int{"item": 3})
	f(map[string]any{"a": []int{1, 2, 3}, "b": 1}, map[string]any{"a": []int{1, 2}, "b": 1}, map[string]int{"a": 3})
}

func TestWhatIsCutStaysAsItIs(t *testing.T) {
	v := args{Items: []int{1, 2, 3}}
	short, _ := Of(v, 1)
	_ = append(short.(args).Items, 9)
	if diff := cmp.Diff([]int{1, 2, 3}, v.Items); diff != "" {
		t.Error(diff)
	}
}
