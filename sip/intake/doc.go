// Package intake stands between the sockets and sipgo. It reads datagrams and
// frames connections, repairs what devices get wrong (signalling reference,
// sections 2.3, 2.4 and 9), answers REGISTER and keepalives right where they
// come in through [Direct], and hands everything else on, repaired and stamped
// with its order of receipt and its way back. It knows SIP and no cameras.
//
// Package sip gives what [Intake.PacketConn] and [Intake.Listener] return to
// sipgo's server; package gb28181/registrar implements Direct.
package intake
