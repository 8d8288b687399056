package main

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"parley/db/chat"
)

type userCmd struct {
	Add          userAddCmd          `cmd:"" help:"Make an account. It asks for the password."`
	ResetFactors userResetFactorsCmd `cmd:"" help:"Take all second factors from somebody who lost them, and end their sessions. Admins can do it on their pages; this is for when no admin can sign in."`
}

type userAddCmd struct {
	Name          string `arg:"" help:"The username."`
	DisplayName   string `help:"The name that others see; the username where it isn't given."`
	Email         string `help:"The person's e-mail address."`
	Admin         bool   `help:"Make this person an admin."`
	PasswordStdin bool   `help:"Read the password from standard input, for scripts."`
}

// Run makes the account.
func (cmd userAddCmd) Run(ctx context.Context, p *program) error {
	password, err := cmd.password(p)
	if err != nil {
		return err
	}
	return p.withDatabase(ctx, func(pool *sql.DB) error {
		user, err := chat.New(pool, chat.Options{}).CreateUser(ctx, chat.NewUser{
			Username: cmd.Name, DisplayName: cmd.DisplayName, Email: cmd.Email, Password: password, IsAdmin: cmd.Admin,
		})
		if err != nil {
			return plainly(err)
		}
		fmt.Fprintf(p.out, "%s can sign in now.\n", user.Username)
		return nil
	})
}

type userResetFactorsCmd struct {
	Name string `arg:"" help:"The username."`
}

// Run takes the factors away.
func (cmd userResetFactorsCmd) Run(ctx context.Context, p *program) error {
	return p.withDatabase(ctx, func(pool *sql.DB) error {
		user, err := chat.New(pool, chat.Options{}).ResetFactorsUnasked(ctx, cmd.Name)
		if err != nil {
			return plainly(err)
		}
		fmt.Fprintf(p.out, "%s signs in with the password alone now.\n", user.Username)
		return nil
	})
}

func (cmd userAddCmd) password(p *program) (string, error) {
	if cmd.PasswordStdin {
		line, err := bufio.NewReader(p.in).ReadString('\n')
		if err != nil && err != io.EOF {
			return "", err
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	terminal, ok := p.in.(*os.File)
	if !ok || !term.IsTerminal(int(terminal.Fd())) {
		return "", errors.New("there is no terminal to ask for the password on: give it on standard input with --password-stdin")
	}
	first, err := ask(terminal, p.err, "Password: ")
	if err != nil {
		return "", err
	}
	again, err := ask(terminal, p.err, "The same once more: ")
	if err != nil {
		return "", err
	}
	if first != again {
		return "", errors.New("the two passwords differ; nothing was made")
	}
	return first, nil
}

func ask(terminal *os.File, prompt io.Writer, text string) (string, error) {
	fmt.Fprint(prompt, text)
	typed, err := term.ReadPassword(int(terminal.Fd()))
	fmt.Fprintln(prompt)
	return string(typed), err
}

// plainly gives a rule's error as lines for a terminal.
func plainly(err error) error {
	rule, ok := errors.AsType[*chat.Error](err)
	if !ok || rule.Kind != chat.Invalid {
		return err
	}
	lines := []string{rule.Text}
	for _, texts := range rule.Fields {
		lines = append(lines, texts...)
	}
	return errors.New(strings.Join(lines, " "))
}
