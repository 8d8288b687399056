package handlers

import (
	"net/netip"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// addressKey is where addressed leaves the client's address.
const addressKey = "address"

// clientIP is the address of whoever sent the request: of the connection's other end, or of whoever stands behind the
// proxies that the settings trust. Fiber's own way takes the first address in the header, which anybody can make up.
func clientIP(c *fiber.Ctx) string {
	if behind, ok := c.Locals(addressKey).(string); ok {
		return behind
	}
	return c.IP()
}

// addressed finds the client behind trusted proxies. Where none are set, headers say nothing.
func (s *Server) addressed(c *fiber.Ctx) error {
	if len(s.TrustedProxies) > 0 {
		if peer, ok := netip.AddrFromSlice(c.Context().RemoteIP()); ok {
			forwarded := listed(c, fiber.HeaderXForwardedFor)
			standard := elementsFor(listed(c, "Forwarded"))
			client, sure := behind(peer.Unmap(), s.TrustedProxies, forwarded, standard)
			if !sure && s.misled.CompareAndSwap(false, true) {
				s.Logger.Warn(tornProxy, "address", peer.String())
			}
			c.Locals(addressKey, client.String())
		}
	} else if c.Request().Header.Peek(fiber.HeaderXForwardedFor) != nil && s.misled.CompareAndSwap(false, true) {
		s.Logger.Warn(unknownProxy, "address", c.IP())
	}
	return c.Next()
}

// unknownProxy and tornProxy are logged once.
const unknownProxy = "A request says that it came through a proxy, and trusted-proxies names none. If there is one, name it there: " +
	"until then all who come through it count as one address, in the audit log and for limits."

const tornProxy = "A request from a trusted proxy names one client in X-Forwarded-For and another in Forwarded. One of them is the client's own word, " +
	"so that neither is believed: have the proxy drop the header that it doesn't set, or whoever wants to can hide their address."

// listed is all that the request says under a name, in its order, as a list.
func listed(c *fiber.Ctx, name string) []string {
	var all []string
	for _, line := range c.Request().Header.PeekAll(name) {
		all = append(all, strings.Split(string(line), ",")...)
	}
	return all
}

// elementsFor takes from a Forwarded header whom each proxy was asked by: RFC 7239 section 4.
func elementsFor(elements []string) (all []string) {
	for _, element := range elements {
		found := ""
		for pair := range strings.SplitSeq(element, ";") {
			if name, value, _ := strings.Cut(strings.TrimSpace(pair), "="); strings.EqualFold(name, "for") {
				found = strings.Trim(value, `"`)
			}
		}
		all = append(all, found)
	}
	return all
}

// behind goes from one proxy to the one before it as long as it trusts them. A proxy sets one of the two headers and may
// hand the other on as the client has sent it; so where they name different clients, neither is believed, and it isn't sure.
func behind(peer netip.Addr, trusted []netip.Prefix, forwarded, standard []string) (client netip.Addr, sure bool) {
	switch {
	case len(standard) == 0:
		return rightmost(peer, trusted, forwarded), true
	case len(forwarded) == 0:
		return rightmost(peer, trusted, standard), true
	}
	one, other := rightmost(peer, trusted, forwarded), rightmost(peer, trusted, standard)
	if one != other {
		return peer, false
	}
	return one, true
}

// rightmost is the last address that no trusted proxy has, from the end of the list: what stands before it can be made
// up. Where a proxy names no address, such as "unknown", it is that proxy's own.
func rightmost(at netip.Addr, trusted []netip.Prefix, list []string) netip.Addr {
	for i := len(list) - 1; i >= 0 && isTrusted(at, trusted); i-- {
		before, ok := parseAddress(strings.TrimSpace(list[i]))
		if !ok {
			break
		}
		at = before
	}
	return at
}

func isTrusted(a netip.Addr, trusted []netip.Prefix) bool {
	for _, prefix := range trusted {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}

// parseAddress reads an address with or without a port.
func parseAddress(text string) (netip.Addr, bool) {
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return withPort.Addr().Unmap().WithZone(""), true
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	return a.Unmap().WithZone(""), err == nil
}

// networkOf is what is throttled as one: an IPv4 address, or the 64 bits of an IPv6 address that a provider gives to one
// customer (RFC 6177), who can make up the rest.
func networkOf(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Unmap().Is4() {
		return address
	}
	prefix, err := a.Prefix(64)
	if err != nil {
		return address
	}
	return prefix.String()
}
