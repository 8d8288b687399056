package demo_test

import (
	"testing"

	"parley/db/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }
