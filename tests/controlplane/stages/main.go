// The oracle of the stage tests: what KWOK's own packages decide. It reads one JSON case a line on stdin and answers each with a line of
// JSON on stdout. A case is a template with an object, or stages with an object.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"sigs.k8s.io/kwok/pkg/apis/internalversion"
	"sigs.k8s.io/kwok/pkg/apis/v1alpha1"
	"sigs.k8s.io/kwok/pkg/utils/gotpl"
	"sigs.k8s.io/kwok/pkg/utils/lifecycle"
)

type question struct {
	Template *string           `json:"template"`
	Object   json.RawMessage   `json:"object"`
	Stages   []json.RawMessage `json:"stages"`
	Typed    bool              `json:"typed"`
}

// answer holds a value or an error; which of the two is what the tests compare.
type answer struct {
	Value any    `json:"value"`
	Error string `json:"error,omitempty"`
}

type stageAnswer struct {
	Name   string `json:"name"`
	Match  answer `json:"match"`
	Weight answer `json:"weight"`
	Delay  answer `json:"delay"`
	Next   answer `json:"next"`
}

var now = time.Date(2006, 1, 2, 15, 4, 5, 0, time.UTC)

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			break
		}
		var asked question
		if err := json.Unmarshal(line, &asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if err := encoder.Encode(reply(asked)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if err := out.Flush(); err != nil {
			os.Exit(1)
		}
	}
}

func reply(asked question) any {
	if asked.Template != nil {
		return attempt(func() (any, error) {
			var data any
			if err := json.Unmarshal(asked.Object, &data); err != nil {
				return nil, err
			}
			text, err := renderer.ToText(*asked.Template, data)
			return string(text), err
		})
	}
	target, err := object(asked)
	if err != nil {
		return answer{Error: err.Error()}
	}
	answers := []stageAnswer{}
	var all []*internalversion.Stage
	for _, raw := range asked.Stages {
		var external v1alpha1.Stage
		if err := json.Unmarshal(raw, &external); err != nil {
			return answer{Error: err.Error()}
		}
		stage, err := internalversion.ConvertToInternalStage(&external)
		if err != nil {
			return answer{Error: err.Error()}
		}
		all = append(all, stage)
		answers = append(answers, one(stage, target))
	}
	possible := attempt(func() (any, error) {
		found, err := possible(all, target)
		names := []string{}
		for _, stage := range found {
			names = append(names, stage.Name())
		}
		return names, err
	})
	return map[string]any{"stages": answers, "possible": possible}
}

type obj interface {
	metav1.Object
	runtime.Object
}

func object(asked question) (obj, error) {
	target := &unstructured.Unstructured{}
	if err := target.UnmarshalJSON(asked.Object); err != nil {
		return nil, err
	}
	var typed obj
	switch target.GetAPIVersion() + "/" + target.GetKind() {
	case "v1/Pod":
		typed = &corev1.Pod{}
	case "v1/Node":
		typed = &corev1.Node{}
	}
	if !asked.Typed || typed == nil {
		return target, nil
	}
	return typed, runtime.DefaultUnstructuredConverter.FromUnstructured(target.Object, typed)
}

func event(target obj) *lifecycle.Event {
	return &lifecycle.Event{Labels: target.GetLabels(), Annotations: target.GetAnnotations(), Data: target}
}

func possible(stages []*internalversion.Stage, target obj) ([]*lifecycle.Stage, error) {
	cycle, err := lifecycle.NewLifecycle(stages)
	if err != nil {
		return nil, err
	}
	return cycle.ListAllPossible(context.Background(), event(target))
}

// one asks about a stage alone, so that an error of one does not hide the others.
func one(config *internalversion.Stage, target obj) stageAnswer {
	out := stageAnswer{Name: config.Name}
	var stage *lifecycle.Stage
	out.Match = attempt(func() (any, error) {
		found, err := possible([]*internalversion.Stage{config}, target)
		if len(found) == 1 {
			stage = found[0]
		}
		return stage != nil, err
	})
	if stage == nil {
		return out
	}
	ctx := context.Background()
	out.Weight = attempt(func() (any, error) {
		weight, ok, err := stage.Weight(ctx, event(target))
		if !ok {
			return nil, err
		}
		return weight, err
	})
	out.Delay = attempt(func() (any, error) {
		delay, ok, err := stage.DelayRangePossible(ctx, event(target), now)
		if !ok {
			return nil, err
		}
		return delay, err
	})
	out.Next = attempt(func() (any, error) { return next(stage, target) })
	return out
}

func next(stage *lifecycle.Stage, target obj) (any, error) {
	actions := []any{}
	_, err := stage.DoSteps(0, target.GetFinalizers(), target, renderer,
		func(event *internalversion.StageEvent) error {
			actions = append(actions, map[string]any{"kind": "event", "type": event.Type, "reason": event.Reason, "message": event.Message})
			return nil
		},
		func() error {
			actions = append(actions, map[string]any{"kind": "delete"})
			return nil
		},
		func(patch *lifecycle.Patch) error {
			action := map[string]any{"kind": "patch", "type": patch.Type, "data": json.RawMessage(patch.Data)}
			extend(action, patch.Subresource, patch.Impersonation)
			actions = append(actions, action)
			return nil
		},
		func(apply *lifecycle.Apply) error {
			action := map[string]any{"kind": "apply", "type": apply.Type, "data": json.RawMessage(apply.Data)}
			extend(action, apply.Subresource, apply.Impersonation)
			actions = append(actions, action)
			return nil
		},
	)
	if stage.ImmediateNextStage() {
		actions = append(actions, map[string]any{"kind": "immediate"})
	}
	return actions, err
}

func extend(action map[string]any, subresource string, impersonation *internalversion.ImpersonationConfig) {
	if subresource != "" {
		action["subresource"] = subresource
	}
	if impersonation != nil {
		action["impersonation"] = impersonation.Username
	}
}

// attempt turns an error or a panic into an answer.
func attempt(ask func() (any, error)) (out answer) {
	defer func() {
		if reason := recover(); reason != nil {
			out = answer{Error: fmt.Sprint("panic: ", reason)}
		}
	}()
	value, err := ask()
	if err != nil {
		for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
			err = inner
		}
		if err.Error() == "" {
			return answer{Error: "an error without words"}
		}
		return answer{Error: err.Error()}
	}
	return answer{Value: value}
}

// renderer stubs what asks the world as the test suite of KWOK's stages does: by name and arguments, in brackets.
var renderer = gotpl.NewRenderer(stubs())

func stubs() gotpl.FuncMap {
	funcs := gotpl.FuncMap{}
	for _, name := range []string{"NodeIP", "NodeName", "NodePort", "PodIP", "NodeIPWith", "PodIPWith", "Now", "now", "Version"} {
		funcs[name] = func(args ...any) any { return "<" + call(name, args) + ">" }
	}
	for _, name := range []string{"NodeIPsWith", "PodIPsWith"} {
		funcs[name] = func(args ...any) any {
			text := call(name, args)
			return []any{"<0 of " + text + ">", "<1 of " + text + ">"}
		}
	}
	return funcs
}

func call(name string, args []any) string {
	if len(args) == 0 {
		return name
	}
	texts := []string{}
	for _, arg := range args {
		texts = append(texts, fmt.Sprintf("%#v", arg))
	}
	return name + "(" + strings.Join(texts, ", ") + ")"
}
