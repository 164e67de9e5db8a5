package upstream_test

import (
	"testing"

	"github.com/sparkwheel/sparkwheel/wheel/upstream"
)

func TestVLLM(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in   upstream.VLLM
		want string
	}{
		{upstream.VLLM{SCM: "0.22.1rc1.dev124+gace95c9cf.d20260603", Device: "cuda", CUDA: "13.2"}, "0.22.1rc1.dev124+gace95c9cf.d20260603.cu132"},
		{upstream.VLLM{SCM: "0.22.1", Device: "cuda", CUDA: "13.2"}, "0.22.1+cu132"},
		{upstream.VLLM{SCM: "0.22.1", Device: "cuda", CUDA: "13.0"}, "0.22.1"},
		{upstream.VLLM{SCM: "0.11.0", Device: "cuda", CUDA: "13.0", MainCUDA: "12.8"}, "0.11.0+cu130"},
		{upstream.VLLM{SCM: "0.11.0", Device: "cuda", CUDA: "12.10", MainCUDA: "12.8"}, "0.11.0+cu121"},
		{upstream.VLLM{SCM: "0.22.1", Device: "empty"}, "0.22.1+empty"},
		{upstream.VLLM{SCM: "0.22.1.dev3+g1234", Device: "cpu"}, "0.22.1.dev3+g1234.cpu"},
	}
	for _, tt := range tests {
		got, err := tt.in.Version()
		if err != nil || got.String() != tt.want {
			t.Errorf("%+v: got %s, %v, want %s", tt.in, got, err, tt.want)
		}
	}
	for _, bad := range []upstream.VLLM{{SCM: "main", Device: "empty"}, {SCM: "0.22.1", Device: "cuda"}, {SCM: "1.0", Device: "a device"}} {
		if got, err := bad.Version(); err == nil {
			t.Errorf("%+v: got %s, want an error", bad, got)
		}
	}
}

func TestFlashInfer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in             upstream.FlashInfer
		text, metadata string
	}{
		{upstream.FlashInfer{Text: "0.6.12\n", Local: "1d54c5c6"}, "0.6.12+1d54c5c6", "0.6.12+1d54c5c6"},
		{upstream.FlashInfer{Text: "0.6.12", Local: "01234567"}, "0.6.12+01234567", "0.6.12+1234567"},
		{upstream.FlashInfer{Text: "0.6.12", Dev: "20260603", Local: "00000000"}, "0.6.12.dev20260603+00000000", "0.6.12.dev20260603+0"},
		{upstream.FlashInfer{Text: "0.6.12rc1"}, "0.6.12rc1", "0.6.12rc1"},
	}
	for _, tt := range tests {
		got, err := tt.in.Version()
		if err != nil || got.String() != tt.metadata || tt.in.String() != tt.text {
			t.Errorf("%+v: got %s and %s, %v, want %s and %s", tt.in, tt.in, got, err, tt.text, tt.metadata)
		}
	}
	if got, err := (upstream.FlashInfer{Text: "0.6.12", Local: "g-"}).Version(); err == nil {
		t.Errorf("got %s, want an error", got)
	}
}
