package roomwire_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestProgramsInTheREADMECompile(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	programs := 0
	for i, block := range strings.Split(string(text), "```go\n")[1:] {
		code, _, _ := strings.Cut(block, "```")
		if !strings.HasPrefix(code, "package ") {
			t.Errorf("block %d is not a whole program", i+1)
			continue
		}
		programs++
		file := filepath.Join(t.TempDir(), "main.go")
		if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("go", "vet", file).CombinedOutput(); err != nil {
			t.Errorf("block %d: %v\n%s", i+1, err, out)
		}
	}
	if programs == 0 {
		t.Error("the README shows no program")
	}
}

func TestEveryExportedNameHasAComment(t *testing.T) {
	names := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		switch d.Name() {
		case "node_modules", "testdata", "bin", ".git", ".cache":
			return filepath.SkipDir
		}
		files, err := filepath.Glob(filepath.Join(path, "*.go"))
		if err != nil {
			return err
		}
		documented, code := false, 0
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
			if err != nil {
				return err
			}
			code++
			documented = documented || f.Doc != nil
			if f.Name.Name != "main" {
				names += uncommented(t, file, f)
			}
		}
		if code > 0 && !documented {
			t.Errorf("package %s has no comment", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if names < 300 {
		t.Errorf("looked at %d names only", names)
	}
}

// uncommented reports exported declarations without a comment and returns how
// many there are in all.
func uncommented(t *testing.T, file string, f *ast.File) (n int) {
	check := func(name *ast.Ident, docs ...*ast.CommentGroup) {
		if !name.IsExported() {
			return
		}
		n++
		for _, d := range docs {
			if d != nil {
				return
			}
		}
		t.Errorf("%s: %s has no comment", file, name.Name)
	}
	for _, decl := range f.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil || exportedReceiver(d.Recv.List[0].Type) {
				check(d.Name, d.Doc)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					check(s.Name, s.Doc, d.Doc)
				case *ast.ValueSpec:
					for _, name := range s.Names {
						check(name, s.Doc, s.Comment, d.Doc)
					}
				}
			}
		}
	}
	return n
}

func exportedReceiver(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.StarExpr:
		return exportedReceiver(e.X)
	case *ast.IndexExpr:
		return exportedReceiver(e.X)
	case *ast.IndexListExpr:
		return exportedReceiver(e.X)
	case *ast.Ident:
		return e.IsExported()
	}
	return false
}
