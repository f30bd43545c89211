//! Python's pickles, as far as dictionaries of tensors need them. Nothing of a pickle is run: a call stays a call.
//!
//! Values name each other by their places in one list, so that neither depth, nor cycles, nor one value in many places
//! cost anything, and a pickle of n bytes makes at most n values. Texts are kept once: memory follows the bytes.

use anyhow::{Context, Result, bail, ensure};
use std::collections::HashMap;

/// The place of a value in its [`Pickle`].
pub(super) type Place = usize;

/// A pickled value.
#[derive(Debug)]
pub(super) enum Value {
    Integer(i64),
    Text(String),
    /// A class or a function: `module.name`.
    Global(String),
    Tuple(Vec<Place>),
    Dictionary(Vec<(Place, Place)>),
    /// An object outside of the pickle (a persistent id), by a name of the program that wrote it.
    Outside(Place),
    /// An object as the call that makes it.
    Call {
        function: Place,
        arguments: Place,
    },
    /// Values that no tensor needs: numbers with a fraction, truth values, lists, sets, bytes.
    Other,
}

/// A pickle's values.
#[derive(Debug)]
pub(super) struct Pickle {
    values: Vec<Value>,
    root: Place,
}

impl Pickle {
    /// Reads a pickle of protocol 2 to 5.
    ///
    /// # Errors
    /// When it is cut off, damaged or has an operation that PyTorch's files have no need of.
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        let mut machine = Machine { rest: bytes, ..Machine::default() };
        loop {
            let at = bytes.len() - machine.rest.len();
            let code = machine.byte()?;
            if code == b'.' {
                let root = machine.pop()?;
                return Ok(Self { values: machine.values, root });
            }
            machine.step(code).with_context(|| format!("at its byte {at}"))?;
        }
    }

    /// The outermost value.
    pub(super) fn root(&self) -> &Value {
        &self.values[self.root]
    }

    /// The value at a place that another value names.
    pub(super) fn at(&self, place: Place) -> &Value {
        &self.values[place]
    }

    pub(super) fn text(&self, place: Place) -> Option<&str> {
        match self.at(place) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn global(&self, place: Place) -> Option<&str> {
        match self.at(place) {
            Value::Global(name) => Some(name),
            _ => None,
        }
    }

    pub(super) fn tuple(&self, place: Place) -> Option<&[Place]> {
        match self.at(place) {
            Value::Tuple(members) => Some(members),
            _ => None,
        }
    }

    /// A number that counts something.
    pub(super) fn count(&self, place: Place) -> Option<usize> {
        match self.at(place) {
            Value::Integer(number) => usize::try_from(*number).ok(),
            _ => None,
        }
    }

    /// A tuple of such numbers, at most `most`: one tuple may be in many places, and each call makes a copy.
    pub(super) fn counts(&self, place: Place, most: usize) -> Option<Vec<usize>> {
        let members = self.tuple(place).filter(|members| members.len() <= most)?;
        members.iter().map(|member| self.count(*member)).collect()
    }
}

/// The machine that pickles are programs of; `pickletools` names its operations.
#[derive(Default)]
struct Machine<'a> {
    rest: &'a [u8],
    values: Vec<Value>,
    stack: Vec<Place>,
    /// The stack's heights at its marks.
    marks: Vec<usize>,
    memo: HashMap<u32, Place>,
}

impl<'a> Machine<'a> {
    fn step(&mut self, code: u8) -> Result<()> {
        match code {
            // PROTO, FRAME
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            // MARK, POP, POP_MARK, DUP
            b'(' => self.marks.push(self.stack.len()),
            b'0' if self.marks.last() == Some(&self.stack.len()) => drop(self.marks.pop()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.marked()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            // BINPUT, LONG_BINPUT, MEMOIZE, BINGET, LONG_BINGET
            b'q' => self.remember(1)?,
            b'r' => self.remember(4)?,
            0x94 => self.remember_as(self.memo.len() as u32)?,
            b'h' => self.recall(1)?,
            b'j' => self.recall(4)?,
            // BINPERSID
            b'Q' => {
                let name = self.pop()?;
                self.push(Value::Outside(name));
            }
            // REDUCE, NEWOBJ, NEWOBJ_EX, BUILD
            b'R' | 0x81 => self.call()?,
            0x92 => {
                let (_, arguments, function) = (self.pop()?, self.pop()?, self.pop()?);
                self.push(Value::Call { function, arguments });
            }
            // The state of an object: of a dictionary its attributes, not its members.
            b'b' => drop(self.pop()?),
            // GLOBAL, STACK_GLOBAL
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(&module, &name)?;
            }
            0x93 => self.global_of_stack()?,
            b')' | 0x85..=0x87 | b't' | b']' | 0x8f | b'l' | 0x91 | b'a' | b'e' | 0x90 => {
                self.sequence(code)?
            }
            b'}' | b'd' | b's' | b'u' => self.dictionary(code)?,
            code => self.literal(code)?,
        }
        Ok(())
    }

    /// The operations that push a value which the program spells out.
    fn literal(&mut self, code: u8) -> Result<()> {
        match code {
            // NONE, NEWTRUE, NEWFALSE, BINFLOAT
            b'N' | 0x88 | 0x89 => self.push(Value::Other),
            b'G' => self.skipped(8)?,
            // BININT1, BININT2, BININT, LONG1, LONG4
            b'K' => self.integer(1)?,
            b'M' => self.integer(2)?,
            b'J' => {
                let number = i32::from_le_bytes(self.array()?);
                self.push(Value::Integer(number.into()));
            }
            0x8a => self.long(1)?,
            0x8b => self.long(4)?,
            // BINUNICODE, SHORT_BINUNICODE, BINUNICODE8; BINSTRING and SHORT_BINSTRING of Python 2
            b'X' | b'T' => self.text(4)?,
            0x8c | b'U' => self.text(1)?,
            0x8d => self.text(8)?,
            // SHORT_BINBYTES, BINBYTES, BINBYTES8, BYTEARRAY8
            b'C' => self.bytes(1)?,
            b'B' => self.bytes(4)?,
            0x8e | 0x96 => self.bytes(8)?,
            code => bail!("the operation {code:#04x} is not known"),
        }
        Ok(())
    }

    /// The operations on tuples, lists and sets. Of the last two nothing is kept.
    fn sequence(&mut self, code: u8) -> Result<()> {
        match code {
            // EMPTY_TUPLE, TUPLE1, TUPLE2, TUPLE3
            b')' => self.push(Value::Tuple(Vec::new())),
            0x85..=0x87 => {
                let mut members = vec![0; usize::from(code - 0x84)];
                for member in members.iter_mut().rev() {
                    *member = self.pop()?;
                }
                self.push(Value::Tuple(members));
            }
            // EMPTY_LIST, EMPTY_SET; LIST, FROZENSET; APPEND; APPENDS, ADDITEMS
            b']' | 0x8f => self.push(Value::Other),
            b'l' | 0x91 => {
                self.marked()?;
                self.push(Value::Other);
            }
            b'a' => drop(self.pop()?),
            b'e' | 0x90 => drop(self.marked()?),
            // TUPLE
            _ => {
                let members = self.marked()?;
                self.push(Value::Tuple(members));
            }
        }
        Ok(())
    }

    /// The operations on dictionaries.
    fn dictionary(&mut self, code: u8) -> Result<()> {
        match code {
            // EMPTY_DICT, DICT, SETITEM
            b'}' => self.push(Value::Dictionary(Vec::new())),
            b'd' => {
                let members = self.marked()?;
                self.push(Value::Dictionary(Vec::new()));
                self.set(&members)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(&[key, value])?;
            }
            // SETITEMS
            _ => {
                let members = self.marked()?;
                self.set(&members)?;
            }
        }
        Ok(())
    }

    fn call(&mut self) -> Result<()> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let dictionary =
            matches!(&self.values[function], Value::Global(name) if DICTIONARIES.contains(&name.as_str()));
        self.push(match dictionary {
            true => Value::Dictionary(Vec::new()),
            false => Value::Call { function, arguments },
        });
        Ok(())
    }

    fn global_of_stack(&mut self) -> Result<()> {
        let (name, module) = (self.pop()?, self.pop()?);
        let named = |place: Place| match &self.values[place] {
            // As much of it as shows that it is too long: a text may be named again and again.
            Value::Text(text) => Ok(text.chars().take(LONGEST_NAME + 1).collect::<String>()),
            _ => bail!("a class whose name is no text"),
        };
        let (module, name) = (named(module)?, named(name)?);
        self.global(&module, &name)
    }

    fn global(&mut self, module: &str, name: &str) -> Result<()> {
        let length = module.chars().count() + name.chars().count();
        ensure!(length < LONGEST_NAME, "a class whose name has more than {LONGEST_NAME} characters");
        self.push(Value::Global(format!("{module}.{name}")));
        Ok(())
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    fn pop(&mut self) -> Result<Place> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    /// The topmost value above the last mark.
    fn top(&self) -> Result<Place> {
        let above = self.marks.last().copied().unwrap_or(0);
        self.stack[above..].last().copied().context("an operation lacks its values")
    }

    /// Pops all values above the last mark, and the mark.
    fn marked(&mut self) -> Result<Vec<Place>> {
        let mark = self.marks.pop().context("an operation lacks its mark")?;
        Ok(self.stack.split_off(mark))
    }

    /// Puts keys and values, in turns, into the dictionary on top. What is no dictionary takes them unseen: objects of
    /// other classes may have members as well.
    fn set(&mut self, members: &[Place]) -> Result<()> {
        ensure!(members.len().is_multiple_of(2), "a key without its value");
        let top = self.top()?;
        if let Value::Dictionary(known) = &mut self.values[top] {
            known.extend(members.chunks_exact(2).map(|pair| (pair[0], pair[1])));
        }
        Ok(())
    }

    /// Keeps the topmost value under the key that the next bytes are, so many of them.
    fn remember(&mut self, bytes: usize) -> Result<()> {
        let key = self.length(bytes)? as u32;
        self.remember_as(key)
    }

    fn remember_as(&mut self, key: u32) -> Result<()> {
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    /// Pushes the value that was kept under the key that the next bytes are.
    fn recall(&mut self, bytes: usize) -> Result<()> {
        let key = self.length(bytes)? as u32;
        let place = *self.memo.get(&key).with_context(|| format!("nothing was kept as {key}"))?;
        self.stack.push(place);
        Ok(())
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length).context("it is cut off")?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.take(N)?.try_into()?)
    }

    fn byte(&mut self) -> Result<u8> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// A number without a sign, of at most 8 bytes.
    fn length(&mut self, bytes: usize) -> Result<usize> {
        let digits = self.take(bytes)?;
        Ok(digits.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    fn integer(&mut self, bytes: usize) -> Result<()> {
        let number = self.length(bytes)? as i64;
        self.push(Value::Integer(number));
        Ok(())
    }

    /// A number with a sign, of any length; one that is too large is none that a tensor needs.
    fn long(&mut self, length_bytes: usize) -> Result<()> {
        let length = self.length(length_bytes)?;
        let digits = self.take(length)?;
        self.push(match digits.len() {
            0 => Value::Integer(0),
            1..=8 => {
                let fill = if digits[digits.len() - 1] < 0x80 { 0 } else { 0xff };
                let mut whole = [fill; 8];
                whole[..digits.len()].copy_from_slice(digits);
                Value::Integer(i64::from_le_bytes(whole))
            }
            _ => Value::Other,
        });
        Ok(())
    }

    fn text(&mut self, length_bytes: usize) -> Result<()> {
        let length = self.length(length_bytes)?;
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.push(Value::Text(text));
        Ok(())
    }

    fn bytes(&mut self, length_bytes: usize) -> Result<()> {
        let length = self.length(length_bytes)?;
        self.skipped(length)
    }

    fn skipped(&mut self, length: usize) -> Result<()> {
        self.take(length)?;
        self.push(Value::Other);
        Ok(())
    }

    fn line(&mut self) -> Result<String> {
        let end = memchr::memchr(b'\n', self.rest).context("it is cut off")?;
        let line = self.take(end + 1)?;
        Ok(String::from_utf8_lossy(&line[..end]).trim_end_matches('\r').to_string())
    }
}

/// Of a class, with its module.
const LONGEST_NAME: usize = 256;

/// Classes whose objects are dictionaries; their members are set after they are made.
const DICTIONARIES: [&str; 2] = ["collections.OrderedDict", "collections.defaultdict"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_bytes_are_there_is_an_answer() {
        // Each operation alone, on nothing, on a value and on a mark; and cut off everywhere.
        for code in 0..=u8::MAX {
            for before in
                [&b""[..], b"N", b"(", b"NNN", b"((", b"}N", b"X\xff\xff\xff\xffab", b"\x8b\xff\xff\xff\x7f"]
            {
                for after in [&b""[..], b".", b"\xff\xff\xff\xff\xff\xff\xff\xff."] {
                    let _ = Pickle::read(&[before, &[code], after].concat());
                }
            }
        }
    }

    #[test]
    fn what_is_broken_says_what_is_wrong_with_it() {
        for (bytes, expected) in [
            (&b""[..], "it is cut off"),
            (b"\x80\x02}", "it is cut off"),
            (b"X\xff\xff\xff\xffabc.", "it is cut off"),
            (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc.", "it is cut off"),
            (b"ctorch", "it is cut off"),
            (b"R.", "an operation lacks its values"),
            (b"t.", "an operation lacks its mark"),
            (b"N(s.", "an operation lacks its values"),
            (b"}(Nu.", "a key without its value"),
            (b"h\x07.", "nothing was kept as 7"),
            (b"\x80\x02I5\n.", "at its byte 2: the operation 0x49 is not known"),
            (b"NN\x93.", "a class whose name is no text"),
            (
                &[&b"c"[..], &[b'a'; 300], b"\nb\n."].concat(),
                "a class whose name has more than 256 characters",
            ),
        ] {
            let said =
                Pickle::read(bytes).map(|_| String::new()).unwrap_or_else(|error| format!("{error:#}"));
            assert!(said.contains(expected), "{bytes:?} said {said:?}, expected {expected:?}");
        }
    }

    #[test]
    fn one_value_in_many_places_and_in_itself_costs_nothing() -> Result<()> {
        // Each tuple holds the one before twice: 2^200 values for whoever copies them.
        let mut bytes = vec![b')'];
        for _ in 0..200 {
            bytes.extend(b"2\x86");
        }
        let deep = [vec![b')'], vec![0x85; 100_000], vec![b'.']].concat();
        bytes.push(b'.');
        for bytes in [bytes, deep, b"}q\x00X\x01\x00\x00\x00ah\x00s.".to_vec()] {
            let pickle = Pickle::read(&bytes)?;
            assert!(matches!(pickle.root(), Value::Tuple(_) | Value::Dictionary(_)));
            drop(pickle);
        }
        Ok(())
    }

    #[test]
    fn numbers_have_their_signs() -> Result<()> {
        for (bytes, expected) in [
            (&b"K\xff."[..], 255),
            (b"M\xff\xff.", 65_535),
            (b"J\xff\xff\xff\xff.", -1),
            (b"\x8a\x00.", 0),
            (b"\x8a\x01\x80.", -128),
            (b"\x8a\x02\x80\x00.", 128),
            (b"\x8b\x05\x00\x00\x00\x00\x00\x00\x00\x01.", 1 << 32),
        ] {
            let pickle = Pickle::read(bytes)?;
            assert!(
                matches!(pickle.root(), Value::Integer(found) if *found == expected),
                "{bytes:?}: {pickle:?}"
            );
        }
        Ok(())
    }
}
