//go:build ignore

// Records what Convoy's pkg/flatten and pkg/compare decide about the cases on stdin. In a clone of
// github.com/frain-dev/convoy (2b60cc652), with $TREE as the folder of flowbridge:
//
//	python $TREE/tests/support/filter_cases.py convoy |
//	    go run $TREE/tests/data/convoy_verdicts.go > $TREE/tests/data/convoy_verdicts.json
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/frain-dev/convoy/pkg/compare"
	"github.com/frain-dev/convoy/pkg/flatten"
)

type given struct {
	Seed       int                    `json:"seed"`
	Hash       string                 `json:"hash"`
	Cases      [][2]json.RawMessage   `json:"cases"`
	Documented [][2]json.RawMessage   `json:"documented"`
}

type recorded struct {
	Library    string               `json:"library"`
	Seed       int                  `json:"seed"`
	Cases      string               `json:"cases"`
	Verdicts   []string             `json:"verdicts"`
	Documented [][3]json.RawMessage `json:"documented"`
}

// passes returns 1 where the payload passes the filter. An error is 0, as nothing is delivered.
func passes(schema, payload json.RawMessage) (verdict string) {
	defer func() {
		if recover() != nil {
			verdict = "0"
		}
	}()
	var filter map[string]interface{}
	var body interface{}
	if json.Unmarshal(schema, &filter) != nil || json.Unmarshal(payload, &body) != nil {
		return "0"
	}
	flatBody, err := flatten.Flatten(body)
	if err != nil {
		return "0"
	}
	flatFilter, err := flatten.Flatten(filter)
	if err != nil {
		return "0"
	}
	if ok, err := compare.Compare(flatBody, flatFilter); ok && err == nil {
		return "1"
	}
	return "0"
}

func main() {
	stdout := os.Stdout
	os.Stdout = os.Stderr // Convoy prints what it cannot compare
	var in given
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		panic(err)
	}
	out := recorded{Library: "convoy 2b60cc652", Seed: in.Seed, Cases: in.Hash}
	for _, one := range in.Cases {
		var payloads []json.RawMessage
		if err := json.Unmarshal(one[1], &payloads); err != nil {
			panic(err)
		}
		row := ""
		for _, payload := range payloads {
			row += passes(one[0], payload)
		}
		out.Verdicts = append(out.Verdicts, row)
	}
	for _, one := range in.Documented {
		verdict := json.RawMessage(map[string]string{"0": "false", "1": "true"}[passes(one[0], one[1])])
		out.Documented = append(out.Documented, [3]json.RawMessage{one[0], one[1], verdict})
	}
	text, err := json.MarshalIndent(out, "", " ")
	if err != nil {
		panic(err)
	}
	fmt.Fprintln(stdout, string(text))
}
