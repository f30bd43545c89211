//! VOC's annotation files: one XML file per image.

use anyhow::{Context, Result, ensure};
use roxmltree::{Document, Node};
use univip_core::error::brief;
use univip_core::geometry::Size;

/// `<annotation>`, as far as it is needed.
#[derive(Debug, PartialEq)]
pub(crate) struct AnnotationFile {
    /// None where the file does not say, or says nothing.
    pub size: Option<Size>,
    pub objects: Vec<Object>,
}

/// `<object>`
#[derive(Debug, PartialEq)]
pub(crate) struct Object {
    pub name: String,
    /// Left, top, width, height. VOC counts pixels from 1 and names the last one that belongs to a box; here the
    /// first pixel is 0, and a box of one pixel has the width 1.
    pub bounding_box: [f64; 4],
    pub difficult: bool,
}

impl AnnotationFile {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let document = Document::parse(text).context("it is not XML that can be read")?;
        let root = document.root_element();
        let found = root.tag_name().name();
        ensure!(found == "annotation", "its root is <{}>; expected <annotation>", brief(found));
        let size = child(root, "size").map(|size| -> Result<Size> {
            Ok(Size { width: side(size, "width")?, height: side(size, "height")? })
        });
        let size = size.transpose().context("<size>")?;
        let objects = root.children().filter(|node| node.has_tag_name("object")).enumerate();
        let objects =
            objects.map(|(place, node)| object(node).with_context(|| format!("object {}", place + 1)));
        Ok(Self {
            size: size.filter(|size| size.width > 0 && size.height > 0),
            objects: objects.collect::<Result<_>>()?,
        })
    }
}

fn object(node: Node) -> Result<Object> {
    // Only children: an object's parts have names and boxes too.
    let name = text(node, "name")?.to_string();
    let bounds = child(node, "bndbox").context("it has no <bndbox>")?;
    let edge = |which| number(bounds, which);
    let (left, top, right, bottom) = (edge("xmin")?, edge("ymin")?, edge("xmax")?, edge("ymax")?);
    let difficult = child(node, "difficult").is_some_and(|node| node.text().map(str::trim) == Some("1"));
    Ok(Object {
        name,
        bounding_box: [left - 1.0, top - 1.0, right - left + 1.0, bottom - top + 1.0],
        difficult,
    })
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| child.has_tag_name(name))
}

fn text<'a>(node: Node<'a, '_>, name: &str) -> Result<&'a str> {
    let text = child(node, name).and_then(|child| child.text()).map(str::trim);
    text.filter(|text| !text.is_empty()).with_context(|| format!("it has no <{name}>"))
}

/// A number of pixels; some files have fractions.
fn number(node: Node, name: &str) -> Result<f64> {
    let text = text(node, name)?;
    let number: Option<f64> = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.with_context(|| format!("<{name}> is `{}`; expected a number", brief(text)))
}

/// The side of an image in pixels.
fn side(node: Node, name: &str) -> Result<u32> {
    let number = number(node, name)?;
    let whole = (0.0..=f64::from(u32::MAX)).contains(&number) && number.fract() == 0.0;
    ensure!(whole, "<{name}> is {number}; expected a whole number of pixels");
    Ok(number as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_its_size_and_the_boxes_of_whole_objects() {
        let text = "<?xml version='1.0'?><annotation><filename>a.jpg</filename>
            <size><width> 50 </width><height>40</height><depth>3</depth></size>
            <object><name>person</name><difficult>1</difficult>
              <part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>
              <bndbox><ymax>20</ymax><xmax>10</xmax><xmin>4.5</xmin><ymin>1</ymin></bndbox></object>
            <object><name>dog</name><difficult>0</difficult>
              <bndbox><xmin>50</xmin><ymin>40</ymin><xmax>50</xmax><ymax>40</ymax></bndbox></object></annotation>";
        let object =
            |name: &str, bounding_box, difficult| Object { name: name.into(), bounding_box, difficult };
        let expected = AnnotationFile {
            size: Some(Size { width: 50, height: 40 }),
            objects: vec![
                object("person", [3.5, 0.0, 6.5, 20.0], true),
                object("dog", [49.0, 39.0, 1.0, 1.0], false),
            ],
        };
        assert_eq!(AnnotationFile::parse(text).unwrap(), expected);
        let bare = AnnotationFile::parse("<annotation/>").unwrap();
        assert_eq!(bare, AnnotationFile { size: None, objects: Vec::new() });
    }

    #[test]
    fn what_is_missing_is_named() {
        let bounds = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax></bndbox>";
        for (text, expected) in [
            ("no xml".to_string(), "it is not XML"),
            ("<a/>".into(), "its root is <a>; expected <annotation>"),
            ("<annotation><object/></annotation>".into(), "object 1: it has no <name>"),
            (
                "<annotation><object><name>dog</name></object></annotation>".into(),
                "object 1: it has no <bndbox>",
            ),
            (
                format!("<annotation><object><name>dog</name>{bounds}</object></annotation>"),
                "it has no <ymax>",
            ),
            (
                "<annotation><size><width>wide</width><height>1</height></size></annotation>".into(),
                "<size>: <width> is `wide`; expected a number",
            ),
            (
                "<annotation><size><width>1e300</width><height>1</height></size></annotation>".into(),
                "<size>: <width> is 1000000000000",
            ),
            (
                "<annotation><size><width>-5</width><height>1</height></size></annotation>".into(),
                "<size>: <width> is -5; expected a whole number of pixels",
            ),
            (
                "<annotation><size><width>NaN</width><height>1</height></size></annotation>".into(),
                "<size>: <width> is `NaN`; expected a number",
            ),
            (
                "<!DOCTYPE a [<!ENTITY b '&c;&c;'><!ENTITY c 'dd'>]><annotation>&b;</annotation>".into(),
                "it is not XML that can be read: XML with DTD detected",
            ),
        ] {
            let error = format!("{:#}", AnnotationFile::parse(&text).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
    }
}
