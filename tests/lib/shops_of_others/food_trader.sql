-- A trader of food
-- Licence: Apache-2.0, as this project. Schema modelled on the sample database Northwind (Microsoft, MS-PL), in the form for MySQL; names and rows are invented here.

CREATE TABLE `Categories` (`CategoryID` INT PRIMARY KEY AUTO_INCREMENT, `CategoryName` VARCHAR(15) NOT NULL,
    `Description` MEDIUMTEXT, `Picture` LONGBLOB);
CREATE TABLE `Customers` (`CustomerID` VARCHAR(5) PRIMARY KEY, `CompanyName` VARCHAR(40) NOT NULL,
    `ContactName` VARCHAR(30), `ContactTitle` VARCHAR(30), `Address` VARCHAR(60), `City` VARCHAR(15),
    `Region` VARCHAR(15), `PostalCode` VARCHAR(10), `Country` VARCHAR(15), `Phone` VARCHAR(24), `Fax` VARCHAR(24));
CREATE TABLE `Employees` (`EmployeeID` INT PRIMARY KEY AUTO_INCREMENT, `LastName` VARCHAR(20) NOT NULL,
    `FirstName` VARCHAR(10) NOT NULL, `Title` VARCHAR(30), `HomePhone` VARCHAR(24));
CREATE TABLE `Shippers` (`ShipperID` INT PRIMARY KEY AUTO_INCREMENT, `CompanyName` VARCHAR(40) NOT NULL,
    `Phone` VARCHAR(24));
CREATE TABLE `Products` (`ProductID` INT PRIMARY KEY AUTO_INCREMENT, `ProductName` VARCHAR(40) NOT NULL,
    `CategoryID` INT, `QuantityPerUnit` VARCHAR(20), `UnitPrice` DECIMAL(10,4) DEFAULT 0,
    `UnitsInStock` SMALLINT DEFAULT 0, `Discontinued` BIT(1) NOT NULL DEFAULT 0,
    CONSTRAINT `FK_Products_Categories` FOREIGN KEY (`CategoryID`) REFERENCES `Categories` (`CategoryID`));
CREATE TABLE `Orders_Status` (`StatusID` TINYINT PRIMARY KEY, `StatusName` VARCHAR(50) NOT NULL);
CREATE TABLE `Orders` (`OrderID` INT PRIMARY KEY AUTO_INCREMENT, `CustomerID` VARCHAR(5), `EmployeeID` INT,
    `OrderDate` DATETIME, `RequiredDate` DATETIME, `ShippedDate` DATETIME, `ShipVia` INT,
    `Freight` DECIMAL(10,4) DEFAULT 0, `ShipName` VARCHAR(40), `ShipCountry` VARCHAR(15),
    `StatusID` TINYINT NOT NULL DEFAULT 3,
    CONSTRAINT `FK_Orders_Status` FOREIGN KEY (`StatusID`) REFERENCES `Orders_Status` (`StatusID`),
    CONSTRAINT `FK_Orders_Customers` FOREIGN KEY (`CustomerID`) REFERENCES `Customers` (`CustomerID`),
    CONSTRAINT `FK_Orders_Employees` FOREIGN KEY (`EmployeeID`) REFERENCES `Employees` (`EmployeeID`));
CREATE TABLE `Order Details` (`OrderID` INT NOT NULL, `ProductID` INT NOT NULL,
    `UnitPrice` DECIMAL(10,4) NOT NULL DEFAULT 0, `Quantity` SMALLINT NOT NULL DEFAULT 1,
    `Discount` DOUBLE NOT NULL DEFAULT 0, PRIMARY KEY (`OrderID`, `ProductID`),
    CONSTRAINT `FK_Order_Details_Orders` FOREIGN KEY (`OrderID`) REFERENCES `Orders` (`OrderID`),
    CONSTRAINT `FK_Order_Details_Products` FOREIGN KEY (`ProductID`) REFERENCES `Products` (`ProductID`));

INSERT INTO `Categories` VALUES
    (1, 'Beverages', 'Drinks', NULL),
    (2, 'Produce', 'Dried fruit', NULL);
INSERT INTO `Customers` VALUES
    ('NORDH', 'Nordhus Mat AB', 'Ada Lind', 'Owner', 'Storgatan 4', 'Lund', NULL, '10000', 'Sweden', '(10) 555-0100', NULL),
    ('COSTA', 'Costa Foods S.A.', 'Ben Ruiz', 'Owner', 'Calle Mayor 12', 'Sevilla', NULL, '10037', 'Spain', '(11) 555-0101', NULL),
    ('KLEIN', 'Klein Feinkost GmbH', 'Cleo Marsh', 'Owner', 'Hauptstr. 7', 'Kiel', NULL, '10074', 'Germany', '(12) 555-0102', NULL),
    ('MARSH', 'Marsh Deli Ltd', 'Dan Okoye', 'Owner', '9 Mill Lane', 'Leeds', NULL, '10111', 'UK', '(13) 555-0103', NULL),
    ('OSAKA', 'Osaka Shoten KK', 'Eva Novak', 'Owner', 'Storgatan 4', 'Osaka', NULL, '10148', 'Japan', '(14) 555-0104', NULL),
    ('LINDH', 'Lind Handel AS', 'Finn Berg', 'Owner', 'Calle Mayor 12', 'Oslo', NULL, '10185', 'Norway', '(15) 555-0105', NULL),
    ('PEREZ', 'Perez Hermanos', 'Greta Costa', 'Owner', 'Hauptstr. 7', 'Puebla', NULL, '10222', 'Mexico', '(16) 555-0106', NULL),
    ('QUIST', 'Quist Import ApS', 'Hugo Diaz', 'Owner', '9 Mill Lane', 'Aarhus', NULL, '10259', 'Denmark', '(17) 555-0107', NULL),
    ('ROTH&', 'Roth & Sohn KG', 'Iris Eng', 'Owner', 'Storgatan 4', 'Graz', NULL, '10296', 'Austria', '(18) 555-0108', NULL),
    ('SILVA', 'Silva Comercio Ltda', 'Jan Fuchs', 'Owner', 'Calle Mayor 12', 'Recife', NULL, '10333', 'Brazil', '(19) 555-0109', NULL),
    ('TOTHB', 'Toth Bt', 'Kira Gomez', 'Owner', 'Hauptstr. 7', 'Pecs', NULL, '10370', 'Hungary', '(20) 555-0110', NULL),
    ('ITOSH', 'Ito Shokuhin', 'Leo Haas', 'Owner', '9 Mill Lane', 'Kobe', NULL, '10407', 'Japan', '(21) 555-0111', NULL);
INSERT INTO `Employees` VALUES
    (1, 'Holm', 'Mia', 'Sales Manager', '(47) 555-0199');
INSERT INTO `Shippers` VALUES
    (1, 'Fast Freight', '(503) 555-0150');
INSERT INTO `Products` VALUES
    (1, 'Green tea', 1, '10 boxes', 18.0, 39, 0),
    (2, 'Dried pears', 2, '50 packs', 30.25, 15, 0),
    (3, 'Cider', 1, '24 bottles', 14.4, 9, 1);
INSERT INTO `Orders_Status` VALUES
    (0, 'New'), (1, 'Invoiced'), (2, 'Shipped'), (3, 'Closed'), (4, 'Backordered'), (5, 'Cancelled');
INSERT INTO `Orders` VALUES
    (10248, 'NORDH', 1, '2026-01-01 00:00:00', '2026-02-01 00:00:00', '2026-01-03 00:00:00', 1, 32.38, 'Nordhus Mat AB', 'Sweden', 2),
    (10249, 'COSTA', 1, '2026-01-02 00:00:00', '2026-02-02 00:00:00', NULL, 1, 32.38, 'Costa Foods S.A.', 'Spain', 0),
    (10250, 'KLEIN', 1, '2026-01-03 00:00:00', '2026-02-03 00:00:00', NULL, 1, 32.38, 'Klein Feinkost GmbH', 'Germany', 3),
    (10251, 'MARSH', 1, '2026-01-04 00:00:00', '2026-02-04 00:00:00', '2026-01-06 00:00:00', 1, 32.38, 'Marsh Deli Ltd', 'UK', 2),
    (10252, 'OSAKA', 1, '2026-01-05 00:00:00', '2026-02-05 00:00:00', NULL, 1, 32.38, 'Osaka Shoten KK', 'Japan', 1),
    (10253, 'LINDH', 1, '2026-01-06 00:00:00', '2026-02-06 00:00:00', NULL, 1, 32.38, 'Lind Handel AS', 'Norway', 3),
    (10254, 'PEREZ', 1, '2026-01-07 00:00:00', '2026-02-07 00:00:00', '2026-01-09 00:00:00', 1, 32.38, 'Perez Hermanos', 'Mexico', 2),
    (10255, 'QUIST', 1, '2026-01-08 00:00:00', '2026-02-08 00:00:00', NULL, 1, 32.38, 'Quist Import ApS', 'Denmark', 4),
    (10256, 'ROTH&', 1, '2026-01-09 00:00:00', '2026-02-09 00:00:00', NULL, 1, 32.38, 'Roth & Sohn KG', 'Austria', 0),
    (10257, 'SILVA', 1, '2026-01-10 00:00:00', '2026-02-10 00:00:00', '2026-01-12 00:00:00', 1, 32.38, 'Silva Comercio Ltda', 'Brazil', 2),
    (10258, 'TOTHB', 1, '2026-01-11 00:00:00', '2026-02-11 00:00:00', NULL, 1, 32.38, 'Toth Bt', 'Hungary', 5),
    (10259, 'ITOSH', 1, '2026-01-12 00:00:00', '2026-02-12 00:00:00', NULL, 1, 32.38, 'Ito Shokuhin', 'Japan', 1),
    (10260, 'NORDH', 1, '2026-01-13 00:00:00', '2026-02-13 00:00:00', '2026-01-15 00:00:00', 1, 32.38, 'Nordhus Mat AB', 'Sweden', 2),
    (10261, 'COSTA', 1, '2026-01-14 00:00:00', '2026-02-14 00:00:00', NULL, 1, 32.38, 'Costa Foods S.A.', 'Spain', 3),
    (10262, 'KLEIN', 1, '2026-01-15 00:00:00', '2026-02-15 00:00:00', NULL, 1, 32.38, 'Klein Feinkost GmbH', 'Germany', 4),
    (10263, 'MARSH', 1, '2026-01-16 00:00:00', '2026-02-16 00:00:00', '2026-01-18 00:00:00', 1, 32.38, 'Marsh Deli Ltd', 'UK', 2),
    (10264, 'OSAKA', 1, '2026-01-17 00:00:00', '2026-02-17 00:00:00', NULL, 1, 32.38, 'Osaka Shoten KK', 'Japan', 3),
    (10265, 'LINDH', 1, '2026-01-18 00:00:00', '2026-02-18 00:00:00', NULL, 1, 32.38, 'Lind Handel AS', 'Norway', 5),
    (10266, 'PEREZ', 1, '2026-01-19 00:00:00', '2026-02-19 00:00:00', '2026-01-21 00:00:00', 1, 32.38, 'Perez Hermanos', 'Mexico', 2),
    (10267, 'QUIST', 1, '2026-01-20 00:00:00', '2026-02-20 00:00:00', NULL, 1, 32.38, 'Quist Import ApS', 'Denmark', 3);
INSERT INTO `Order Details` VALUES
    (10248, 1, 18.0, 6, 0.05),
    (10249, 1, 18.0, 7, 0.15),
    (10249, 2, 30.25, 8, 0),
    (10250, 1, 18.0, 8, 0),
    (10250, 2, 30.25, 9, 0.05),
    (10250, 3, 14.4, 10, 0.15),
    (10251, 1, 18.0, 9, 0.05),
    (10252, 1, 18.0, 10, 0.15),
    (10252, 2, 30.25, 11, 0),
    (10253, 1, 18.0, 11, 0),
    (10253, 2, 30.25, 12, 0.05),
    (10253, 3, 14.4, 13, 0.15),
    (10254, 1, 18.0, 12, 0.05),
    (10255, 1, 18.0, 6, 0.15),
    (10255, 2, 30.25, 7, 0),
    (10256, 1, 18.0, 7, 0),
    (10256, 2, 30.25, 8, 0.05),
    (10256, 3, 14.4, 9, 0.15),
    (10257, 1, 18.0, 8, 0.05),
    (10258, 1, 18.0, 9, 0.15),
    (10258, 2, 30.25, 10, 0),
    (10259, 1, 18.0, 10, 0),
    (10259, 2, 30.25, 11, 0.05),
    (10259, 3, 14.4, 12, 0.15),
    (10260, 1, 18.0, 11, 0.05),
    (10261, 1, 18.0, 12, 0.15),
    (10261, 2, 30.25, 13, 0),
    (10262, 1, 18.0, 6, 0),
    (10262, 2, 30.25, 7, 0.05),
    (10262, 3, 14.4, 8, 0.15),
    (10263, 1, 18.0, 7, 0.05),
    (10264, 1, 18.0, 8, 0.15),
    (10264, 2, 30.25, 9, 0),
    (10265, 1, 18.0, 9, 0),
    (10265, 2, 30.25, 10, 0.05),
    (10265, 3, 14.4, 11, 0.15),
    (10266, 1, 18.0, 10, 0.05),
    (10267, 1, 18.0, 11, 0.15),
    (10267, 2, 30.25, 12, 0);
