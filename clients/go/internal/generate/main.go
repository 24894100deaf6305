// Command generate compiles proto/tidings/v1 into the package tidingsv1, without protoc: the
// contract is parsed here and handed to the standard plugins, which go.mod pins as tools.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

const (
	protos = "../../proto"
	out    = "tidingsv1"
	module = "github.com/tidings-dev/tidings/clients/go"
)

func main() {
	log.SetFlags(0)
	if err := generate(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func generate(ctx context.Context) error {
	paths, err := filepath.Glob(filepath.Join(protos, "tidings/v1/*.proto"))
	if err != nil || len(paths) == 0 {
		return errors.Join(errors.New("no contract: run it in clients/go"), err)
	}
	names := make([]string, len(paths))
	for i, path := range paths {
		if names[i], err = filepath.Rel(protos, path); err != nil {
			return err
		}
	}
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{protos}}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(ctx, names...)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	request := &pluginpb.CodeGeneratorRequest{
		FileToGenerate: names,
		ProtoFile:      inOrder(files),
		Parameter:      proto.String(parameters(names)),
	}
	for _, plugin := range []string{"protoc-gen-go", "protoc-gen-go-grpc"} {
		if err := run(ctx, plugin, request); err != nil {
			return fmt.Errorf("%s: %w", plugin, err)
		}
	}
	return nil
}

// parameters says for every file which Go package it becomes: the contract itself names none.
func parameters(names []string) string {
	text := "module=" + module
	for _, name := range names {
		text += fmt.Sprintf(",M%s=%s/%s", name, module, out)
	}
	return text
}

// inOrder lists descriptors so that each comes after what it imports.
func inOrder(files linker.Files) []*descriptorpb.FileDescriptorProto {
	var ordered []*descriptorpb.FileDescriptorProto
	seen := map[string]bool{}
	var visit func(file linker.File)
	visit = func(file linker.File) {
		if seen[file.Path()] {
			return
		}
		seen[file.Path()] = true
		for i := range file.Imports().Len() {
			if imported := file.FindImportByPath(file.Imports().Get(i).Path()); imported != nil {
				visit(imported)
			}
		}
		ordered = append(ordered, protoutil.ProtoFromFileDescriptor(file))
	}
	for _, file := range files {
		visit(file)
	}
	return ordered
}

func run(ctx context.Context, plugin string, request *pluginpb.CodeGeneratorRequest) error {
	input, err := proto.Marshal(request)
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, "go", "tool", plugin)
	command.Stdin, command.Stderr = bytes.NewReader(input), os.Stderr
	output, err := command.Output()
	if err != nil {
		return err
	}
	response := &pluginpb.CodeGeneratorResponse{}
	if err := proto.Unmarshal(output, response); err != nil {
		return err
	}
	if response.Error != nil {
		return errors.New(response.GetError())
	}
	for _, file := range response.File {
		if err := os.WriteFile(file.GetName(), []byte(file.GetContent()), 0o644); err != nil {
			return err
		}
	}
	return nil
}
