// Trail verifies a log of MiSentinel's trail with the packages that Go itself uses for its checksum database, and makes
// a log that MiSentinel's verifier is to verify. It shares no code with MiSentinel.
//
//	trail verify FOLDER KEY [SEEN]   every entry, the root, the signature; and that SEEN, an older checkpoint, is a beginning
//	trail prove PROOF ENTRY KEY      that the bytes in the file ENTRY are in the log, by a .tlog-proof
//	trail make FOLDER COUNT NAME     a log of COUNT entries, signed by a new key, which is printed
//
// Trust: it believes KEY and nothing else. What it reads in files may be anybody's.
package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height, width = 8, 256

func main() {
	args := append(os.Args[1:], "", "", "", "")
	var err error
	switch args[0] {
	case "verify":
		err = verify(args[1], args[2], args[3])
	case "prove":
		err = prove(args[1], args[2], args[3])
	case "make":
		err = make_(args[1], args[2], args[3])
	default:
		err = errors.New("trail verify|prove|make")
	}
	if err != nil {
		fmt.Println("does not hold:", err)
		os.Exit(1)
	}
}

func verify(folder, key, seen string) error {
	data, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	if err != nil {
		return err
	}
	tree, err := open(data, key)
	if err != nil {
		return err
	}
	reader := tlog.TileHashReader(tree, files(folder))
	for first := int64(0); first < tree.N; first += width {
		entries, err := bundle(folder, first/width, tree.N)
		if err != nil {
			return err
		}
		for i, entry := range entries {
			at := first + int64(i)
			proof, err := tlog.ProveRecord(tree.N, at, reader)
			if err != nil {
				return fmt.Errorf("entry %d: %v", at, err)
			}
			if err := tlog.CheckRecord(proof, tree.N, tree.Hash, at, tlog.RecordHash(entry)); err != nil {
				return fmt.Errorf("entry %d: %v", at, err)
			}
		}
	}
	if seen != "" {
		if err := consistent(seen, key, tree, reader); err != nil {
			return err
		}
	}
	fmt.Printf("%d entries hold\n", tree.N)
	return nil
}

func consistent(seen, key string, tree tlog.Tree, reader tlog.HashReader) error {
	data, err := os.ReadFile(seen)
	if err != nil {
		return err
	}
	old, err := open(data, key)
	if err != nil {
		return err
	}
	if old.N > tree.N {
		return fmt.Errorf("the log has %d entries and had %d", tree.N, old.N)
	}
	proof, err := tlog.ProveTree(tree.N, old.N, reader)
	if err != nil {
		return fmt.Errorf("history: %v", err)
	}
	if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash); err != nil {
		return fmt.Errorf("history: %v", err)
	}
	return nil
}

func prove(file, entry, key string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	head, signed, _ := strings.Cut(string(data), "\n\n")
	lines := strings.Split(head, "\n")
	if len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("no proof")
	}
	if strings.HasPrefix(lines[1], "extra ") && len(lines) > 2 {
		lines = lines[1:]
	}
	if !strings.HasPrefix(lines[1], "index ") {
		return errors.New("no index")
	}
	record, err := os.ReadFile(entry)
	if err != nil {
		return err
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil {
		return err
	}
	var proof tlog.RecordProof
	for _, line := range lines[2:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		proof = append(proof, hash)
	}
	tree, err := open([]byte(signed), key)
	if err != nil {
		return err
	}
	if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(record)); err != nil {
		return err
	}
	fmt.Printf("entry %d of %d holds\n", index, tree.N)
	return nil
}

// open returns what a checkpoint says, after its signature was verified and its origin is the key's own name.
func open(data []byte, key string) (tree tlog.Tree, err error) {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return tree, err
	}
	opened, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return tree, fmt.Errorf("checkpoint: %v", err)
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return tree, errors.New("this is the checkpoint of another log")
	}
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return tree, err
	}
	tree.Hash, err = tlog.ParseHash(lines[2])
	return tree, err
}

type files string

func (folder files) Height() int                                { return height }
func (folder files) SaveTiles(tiles []tlog.Tile, data [][]byte) {}
func (folder files) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range tiles {
		data, err := os.ReadFile(filepath.Join(string(folder), path(tile)))
		if err != nil {
			return nil, err
		}
		found = append(found, data)
	}
	return found, nil
}

// path is the tile's as C2SP tlog-tiles has it, where every tile has height 8 and no path says so.
func path(tile tlog.Tile) string {
	told := strings.TrimPrefix(tile.Path(), "tile/8/")
	return "tile/" + strings.Replace(told, "data/", "entries/", 1)
}

func bundle(folder string, n, size int64) ([][]byte, error) {
	count := size - n*width
	if count > width {
		count = width
	}
	data, err := os.ReadFile(filepath.Join(folder, path(tlog.Tile{H: height, L: -1, N: n, W: int(count)})))
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	for len(data) > 0 {
		if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
			return nil, fmt.Errorf("bundle %d ends in the middle of an entry", n)
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		entries, data = append(entries, data[2:end]), data[end:]
	}
	if int64(len(entries)) != count {
		return nil, fmt.Errorf("bundle %d has %d entries, not %d", n, len(entries), count)
	}
	return entries, nil
}

func make_(folder, count, name string) error {
	size, err := strconv.ParseInt(count, 10, 64)
	if err != nil {
		return err
	}
	private, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return err
	}
	var hashes stored
	bundles := map[int64][]byte{}
	for i := int64(0); i < size; i++ {
		entry := []byte(fmt.Sprintf("entry %d of a log that Go made", i))
		more, err := tlog.StoredHashes(i, entry, &hashes)
		if err != nil {
			return err
		}
		hashes = append(hashes, more...)
		bundles[i/width] = append(append(bundles[i/width], byte(len(entry)>>8), byte(len(entry))), entry...)
	}
	for _, tile := range tlog.NewTiles(height, 0, size) {
		data, err := tlog.ReadTileData(tile, &hashes)
		if err != nil {
			return err
		}
		if err := write(filepath.Join(folder, path(tile)), data); err != nil {
			return err
		}
	}
	for n, data := range bundles {
		count := size - n*width
		if count > width {
			count = width
		}
		if err := write(filepath.Join(folder, path(tlog.Tile{H: height, L: -1, N: n, W: int(count)})), data); err != nil {
			return err
		}
	}
	root, err := tlog.TreeHash(size, &hashes)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%s\n%d\n%s\n", name, size, base64.StdEncoding.EncodeToString(root[:]))
	signer, err := note.NewSigner(private)
	if err != nil {
		return err
	}
	signed, err := note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		return err
	}
	fmt.Println(public)
	return write(filepath.Join(folder, "checkpoint"), signed)
}

type stored []tlog.Hash

func (hashes *stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var found []tlog.Hash
	for _, index := range indexes {
		found = append(found, (*hashes)[index])
	}
	return found, nil
}

func write(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}
