package index

import (
	"encoding/json"
	"fmt"
)

// eachMember walks the object that comes next; do must consume the value.
func eachMember(d *json.Decoder, do func(key string) error) error {
	if err := expect(d, '{'); err != nil {
		return err
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		name, ok := key.(string)
		if !ok {
			return fmt.Errorf("a member's name is %v", key)
		}
		if err := do(name); err != nil {
			return err
		}
	}
	return expect(d, '}')
}

// eachElement walks the array that comes next; do must consume the element.
func eachElement(d *json.Decoder, do func() error) error {
	if err := expect(d, '['); err != nil {
		return err
	}
	for d.More() {
		if err := do(); err != nil {
			return err
		}
	}
	return expect(d, ']')
}

// skipValue reads over the value that comes next without keeping it.
func skipValue(d *json.Decoder) error {
	depth := 0
	for {
		t, err := d.Token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

func expect(d *json.Decoder, want json.Delim) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	if t != want {
		return fmt.Errorf("got %v, want %v", t, want)
	}
	return nil
}
