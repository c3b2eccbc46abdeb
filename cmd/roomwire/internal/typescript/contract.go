// Package typescript writes the declarations of a contract, a Go package of
// event constants, for the generic types of socket.io-client.
package typescript

import (
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// A contract is what was read of a package.
type contract struct {
	pkg    *packages.Package
	events []eventConst
	docs   map[token.Pos]string                 // of types and fields, by the position of their name
	others map[*types.Package]*packages.Package // whose comments have not been read
}

// An eventConst is one constant of a contract.
type eventConst struct {
	name    string // of the event
	doc     string
	in, out types.Type // out is nil for event.Of
	client  bool       // the client sends it
	server  bool
}

// load reads the package that is at a directory, or has an import path.
func load(pattern string) (*contract, error) {
	cfg := &packages.Config{Mode: packages.NeedName | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedSyntax | packages.NeedImports | packages.NeedDeps}
	if info, err := os.Stat(pattern); err == nil && info.IsDir() {
		dir, err := filepath.Abs(pattern)
		if err != nil {
			return nil, err
		}
		cfg.Dir, pattern = dir, "."
	}
	pkgs, err := packages.Load(cfg, pattern)
	if err != nil {
		return nil, err
	}
	if len(pkgs) != 1 {
		return nil, fmt.Errorf("%s is %d packages; name one", pattern, len(pkgs))
	}
	pkg := pkgs[0]
	if len(pkg.Errors) > 0 {
		errs := make([]error, len(pkg.Errors))
		for i, e := range pkg.Errors {
			errs[i] = e
		}
		return nil, fmt.Errorf("package %s cannot be read:\n%w", pattern, errors.Join(errs...))
	}
	c := &contract{pkg: pkg, docs: map[token.Pos]string{}, others: map[*types.Package]*packages.Package{}}
	packages.Visit(pkgs, nil, func(p *packages.Package) {
		if p != pkg {
			c.others[p.Types] = p
		}
	})
	for _, f := range pkg.Syntax {
		if err := c.file(f); err != nil {
			return nil, err
		}
	}
	if len(c.events) == 0 {
		return nil, fmt.Errorf("package %s has no exported constant of type event.Of or event.Call", pkg.PkgPath)
	}
	return c, nil
}

// file reads the declarations of one file.
func (c *contract) file(f *ast.File) error {
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range g.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				c.typeDocs(g, spec)
			case *ast.ValueSpec:
				if g.Tok != token.CONST {
					continue
				}
				if err := c.constants(g, spec); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// know reads the comments of the package of a type.
func (c *contract) know(obj *types.TypeName) {
	other := c.others[obj.Pkg()]
	if other == nil {
		return
	}
	delete(c.others, obj.Pkg())
	for _, f := range other.Syntax {
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.TYPE {
				continue
			}
			for _, spec := range g.Specs {
				c.typeDocs(g, spec.(*ast.TypeSpec))
			}
		}
	}
}

// enum returns the constants of a string type, in the order of the source: all
// that its package has, or only those that others can name.
func (c *contract) enum(obj *types.TypeName) []string {
	if b, ok := obj.Type().Underlying().(*types.Basic); !ok || b.Info()&types.IsString == 0 || obj.Pkg() == nil {
		return nil
	}
	var all []*types.Const
	for _, name := range obj.Pkg().Scope().Names() {
		k, ok := obj.Pkg().Scope().Lookup(name).(*types.Const)
		if ok && types.Identical(k.Type(), obj.Type()) && (obj.Pkg() == c.pkg.Types || k.Exported()) {
			all = append(all, k)
		}
	}
	slices.SortFunc(all, func(a, b *types.Const) int { return cmp.Compare(a.Pos(), b.Pos()) })
	var values []string
	for _, k := range all {
		if v := constant.StringVal(k.Val()); !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	return values
}

func (c *contract) typeDocs(g *ast.GenDecl, spec *ast.TypeSpec) {
	doc := spec.Doc
	if doc == nil && len(g.Specs) == 1 {
		doc = g.Doc
	}
	c.docs[spec.Name.Pos()] = doc.Text()
	ast.Inspect(spec.Type, func(n ast.Node) bool {
		if field, ok := n.(*ast.Field); ok {
			text := field.Doc.Text()
			if text == "" {
				text = field.Comment.Text()
			}
			for _, name := range field.Names {
				c.docs[name.Pos()] = text
			}
		}
		return true
	})
}

func (c *contract) constants(g *ast.GenDecl, spec *ast.ValueSpec) error {
	for _, name := range spec.Names {
		k, ok := c.pkg.TypesInfo.Defs[name].(*types.Const)
		if !ok || k.Val().Kind() != constant.String {
			continue
		}
		t, ok := k.Type().(*types.Named)
		if !ok {
			continue
		}
		if !ast.IsExported(name.Name) || !isEvent(t) {
			continue
		}
		e := eventConst{name: constant.StringVal(k.Val()), in: t.TypeArgs().At(0), doc: spec.Doc.Text()}
		if e.doc == "" {
			e.doc = spec.Comment.Text()
		}
		if t.TypeArgs().Len() == 2 {
			e.out = t.TypeArgs().At(1)
		}
		err := e.direct(g.Doc, spec.Doc)
		if err == nil && slices.ContainsFunc(c.events, func(o eventConst) bool { return o.name == e.name && (o.client && e.client || o.server && e.server) }) {
			err = fmt.Errorf("event %q is there twice", e.name)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.pkg.Fset.Position(name.Pos()), err)
		}
		c.events = append(c.events, e)
	}
	return nil
}

func isEvent(t *types.Named) bool {
	return isNamed(t, "github.com/roomwire/roomwire/event", "Of", "Call")
}

// isNamed reports whether t is one of the types called names in the package at path.
func isNamed(t types.Type, path string, names ...string) bool {
	n, ok := types.Unalias(t).(*types.Named)
	return ok && n.Obj().Pkg() != nil && n.Obj().Pkg().Path() == path && slices.Contains(names, n.Obj().Name())
}

const directive = "//sio:from "

// direct reads who sends the event: what the constant says, or else its block,
// or else both sides.
func (e *eventConst) direct(block, own *ast.CommentGroup) error {
	e.client, e.server = true, true
	for _, doc := range []*ast.CommentGroup{block, own} {
		if doc == nil {
			continue
		}
		for _, line := range doc.List {
			who, ok := strings.CutPrefix(line.Text, directive)
			if !ok {
				continue
			}
			switch strings.TrimSpace(who) {
			case "client":
				e.client, e.server = true, false
			case "server":
				e.client, e.server = false, true
			case "both":
				e.client, e.server = true, true
			default:
				return fmt.Errorf("%q: an event is from client, server or both", line.Text)
			}
		}
	}
	return nil
}
